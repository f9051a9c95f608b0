"""Run all checks at the same time, each bounded in time."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.doctor.finding import Check, Finding, FindingSeverity, NotCheckedError
from rack.errors import PiRackError

CHECK_SECONDS = 60.0
"""Maximum duration of an examination. On a slow Pi, a single program can take 20 s."""

_SEVERITIES = list(FindingSeverity)
_RETRY = "run the doctor again; if this repeats, read `journalctl -u pirack-controller`"


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """Result of an examination.

    Attributes:
        examined_at: Time in seconds since the epoch.
        checks: Names of all checks.
        findings: Findings, most severe first.
    """

    examined_at: float
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]


class Examiner:
    """Runs checks. A check that has not ended is not started again.

    Args:
        checks: The checks.
        seconds: Maximum duration of an examination.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        seconds: float = CHECK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._checks = checks
        self._seconds = seconds
        self._clock = clock
        self._runs: dict[str, _CheckRun] = {}

    def examine(self) -> DoctorReport:
        """Run the checks and return their findings. Not thread-safe."""
        deadline = time.monotonic() + self._seconds
        for check in self._checks:
            previous = self._runs.get(check.name)
            if previous is None or not previous.is_alive():
                self._runs[check.name] = _CheckRun(check)
                self._runs[check.name].start()
        findings = [
            finding
            for check in self._checks
            for finding in self._runs[check.name].wait(max(0.0, deadline - time.monotonic()))
        ]
        findings.sort(key=lambda finding: _SEVERITIES.index(finding.severity))
        return DoctorReport(
            self._clock(), tuple(check.name for check in self._checks), tuple(findings)
        )


class _CheckRun(threading.Thread):
    """One run of a check, in a thread that does not delay the end of the process."""

    def __init__(self, check: Check) -> None:
        super().__init__(name=f"doctor {check.name}", daemon=True)
        self._check = check
        self._findings: tuple[Finding, ...] | None = None

    def run(self) -> None:
        try:
            self._findings = tuple(self._check.run())
        except NotCheckedError as error:
            self._findings = (self._not_checked(str(error), error.fix),)
        except (OSError, PiRackError) as error:
            self._findings = (self._not_checked(str(error), _RETRY),)

    def wait(self, seconds: float) -> tuple[Finding, ...]:
        """Return the findings. If the check has not ended in time, it is not checked."""
        self.join(seconds)
        if self.is_alive():
            return (self._not_checked("the check did not end in time", _RETRY),)
        if self._findings is None:  # the log contains the exception
            return (self._not_checked("the check failed", _RETRY),)
        return self._findings

    def _not_checked(self, reason: str, fix: str) -> Finding:
        return Finding(
            self._check.name,
            FindingSeverity.NOT_CHECKED,
            problem=reason,
            reason=self._check.purpose,
            fix=fix,
        )
