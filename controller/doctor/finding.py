"""A check of the master and its findings."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from rack.errors import PiRackError


class FindingSeverity(StrEnum):
    """Severity of a finding, most severe first.

    `error`: a function of PiRack does not work. `warning`: a function may fail later.
    `not_checked`: the check could not be made, and the state is unknown.
    """

    ERROR = "error"
    WARNING = "warning"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that a check found.

    Attributes:
        check: Name of the check.
        severity: Severity of the problem.
        problem: What is wrong, and where.
        reason: Why it matters.
        fix: What to do, with the exact commands.
    """

    check: str
    severity: FindingSeverity
    problem: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the master.

    Attributes:
        name: Name in findings, such as `dhcp_interface`.
        purpose: Why the check matters, if it cannot be made.
        run: Returns the findings. It changes nothing, and ends in time. Raises `NotCheckedError`,
            another PiRackError or an OSError if the check cannot be made.
    """

    name: str
    purpose: str
    run: Callable[[], Iterable[Finding]]


class NotCheckedError(PiRackError):
    """A check cannot be made.

    Args:
        reason: Why not.
        fix: What makes the check possible.
    """

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.fix = fix
