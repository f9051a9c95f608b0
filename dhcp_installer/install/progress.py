"""Progress of an install, for the journal, terminals, programs and pages."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, Self

from dhcp_installer import SlotEvidence


class Stage(StrEnum):
    """Stage of an install. After a failure or a stop, `undo` is the last stage."""

    CHECK = "check"
    LEASES = "leases"  # activate short leases
    WAIT = "wait"  # for a new board
    DISCOVER = "discover"
    CONFIGURE = "configure"  # slots, dhcpd.conf, inventory
    RENEW = "renew"  # rasps request their new addresses
    VERIFY = "verify"
    FINISH = "finish"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """State of an install at one moment.

    Args:
        time: Seconds since the epoch.
        stage: The current stage.
        message: The step that was just completed, empty if only other fields changed.
        stacks_total: Number of stacks to check.
        stacks_done: Number of stacks checked.
        rasps_total: Number of rasps to find, or in `verify` to reach.
        rasps_found: Number of rasps found or reached.
        seconds_left: Estimated time until the stage ends.
        found: MAC addresses found in each stack.
        missing: Number of rasps not found in each stack.
        missing_slots: Names of the slots with outlets of their own at which no rasp was found.
        slots: Slot number of each rasp that was found at the outlet of one slot.
        slot_evidence: How each of these rasps was found.
        other_vendor_macs: MAC addresses that do not belong to Raspberry Pis.
        unplaced: MAC addresses that were detected in no stack.
        conflicts: Names of the stacks and slots at whose outlets each MAC address was detected, if
            there were several outlets, or several rasps at the outlet of one slot.
        diff: Changes to dhcpd.conf, as a unified diff.
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
    missing_slots: tuple[str, ...] = ()
    slots: Mapping[str, int] = field(default_factory=dict)
    slot_evidence: Mapping[str, SlotEvidence] = field(default_factory=dict)
    other_vendor_macs: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    conflicts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diff: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types. Stack numbers become strings."""
        fields = asdict(self)
        for name in ("found", "missing"):
            fields[name] = {str(stack): value for stack, value in fields[name].items()}
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the report that `to_json` converted to these fields.

        Reports of earlier versions have no missing slots and no evidence.
        """
        converted = {
            "found": {int(stack): tuple(macs) for stack, macs in fields["found"].items()},
            "missing": {int(stack): count for stack, count in fields["missing"].items()},
            "missing_slots": tuple(fields.get("missing_slots", ())),
            "slot_evidence": {
                mac: SlotEvidence(evidence)
                for mac, evidence in fields.get("slot_evidence", {}).items()
            },
            "conflicts": {
                mac: tuple(map(str, names)) for mac, names in fields["conflicts"].items()
            },
            "other_vendor_macs": tuple(fields["other_vendor_macs"]),
            "unplaced": tuple(fields["unplaced"]),
            "stage": Stage(fields["stage"]),
        }
        return cls(**{**fields, **converted})


ProgressCallback = Callable[[ProgressReport], None]


class ProgressStore(Protocol):
    """Storage of progress reports, such as the journal."""

    def save_progress(self, install_id: int, report: ProgressReport) -> None:
        """Save the latest report of an install."""


class ProgressReporter:
    """The latest progress report of an install, sent to the journal and to a callback.

    Args:
        journal: Stores the steps.
        install_id: Id of the install.
        on_progress: Receives each report.
        report: The report to continue from.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        journal: ProgressStore,
        install_id: int,
        on_progress: ProgressCallback,
        *,
        report: ProgressReport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._install_id = install_id
        self._on_progress = on_progress
        self._clock = clock
        self.report = report or ProgressReport(clock(), Stage.CHECK)

    def log_step(self, text: str) -> None:
        """Report a completed step and save it in the journal."""
        self.report = replace(self.report, time=self._clock(), message=text)
        self._journal.save_progress(self._install_id, self.report)
        self._on_progress(self.report)

    def log_steps(self, texts: Iterable[str]) -> None:
        """Report several completed steps."""
        for text in texts:
            self.log_step(text)

    def update(self, **fields: Any) -> None:
        """Update fields of the report. Notify the callback if a value changed."""
        updated = replace(self.report, message="", **fields)
        if replace(self.report, message="") != updated:
            self.report = replace(updated, time=self._clock())
            self._on_progress(self.report)

    def enter_stage(self, stage: Stage, **fields: Any) -> None:
        """Report the start of a stage."""
        self.update(**({"stage": stage, "seconds_left": None} | fields))
