"""What an install tells while it goes on: for terminals, programs and pages alike."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """How far an install is. `undo` comes in place of what would follow, where it cannot go on."""

    CHECK = "check"
    LEASES = "leases"  # short ones are put in force
    WAIT = "wait"  # for a new board
    DISCOVER = "discover"
    CONFIGURE = "configure"  # slots, dhcpd.conf, inventory
    MOVE = "move"  # rasps to their addresses
    VERIFY = "verify"
    FINISH = "finish"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """All that is known at a moment.

    `time` is in seconds since the epoch; `message` what was just done, empty where only numbers moved.
    `found` are the MACs of each stack so far, and `missing` how many slots of a stack nobody was
    found for; see `discovery.Findings` for the others. `diff` is that of dhcpd.conf.
    """

    time: float
    stage: Stage
    message: str = ""
    stacks_total: int = 0
    stacks_done: int = 0
    rasps_total: int = 0
    rasps_found: int = 0
    seconds_left: float | None = None
    found: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    missing: Mapping[int, int] = field(default_factory=dict)
    other_vendor_macs: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    conflicts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    diff: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON's types; stack numbers become text, as JSON has no other keys."""
        fields = asdict(self)
        for name in ("found", "missing"):
            fields[name] = {str(stack): value for stack, value in fields[name].items()}
        return fields


def report_from_json(fields: Mapping[str, Any]) -> ProgressReport:
    """Return the report that `ProgressReport.to_json` has made these fields of."""
    lists = {
        "found": {int(stack): tuple(macs) for stack, macs in fields["found"].items()},
        "missing": {int(stack): count for stack, count in fields["missing"].items()},
        "conflicts": {mac: tuple(stacks) for mac, stacks in fields["conflicts"].items()},
        "strangers": tuple(fields["strangers"]),
        "unplaced": tuple(fields["unplaced"]),
        "stage": Stage(fields["stage"]),
    }
    return ProgressReport(**{**fields, **lists})
