"""What an install has found, for its page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dhcp_installer import SlotEvidence
from dhcp_installer.install.progress import ProgressReport
from rack.layout import Outlet, Rack, Slot, Stack
from rack.names import rasp_name

_EVIDENCE_TEXTS: Mapping[SlotEvidence, str] = {
    SlotEvidence.OUTLET: "its outlet alone",
    SlotEvidence.ROW_AND_COLUMN: "its row and its column",
}


class PlaceState(StrEnum):
    """State of a place. `pending`: not found yet. `unclear`: more than one rasp may be there."""

    FOUND = "found"
    PENDING = "pending"
    MISSING = "missing"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Place:
    """A place for one rasp in a stack. The slot is None if it was not found."""

    state: PlaceState
    slot: Slot | None = None
    mac: str = ""


@dataclass(frozen=True, slots=True)
class FoundStack:
    """A stack, the number of rasps found in it, and its places, those of slots first.

    It is incomplete if some of its rasps are missing in the end.
    """

    stack: Stack
    count: int
    is_incomplete: bool
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class FoundSlot:
    """A slot with its rasp, and what was switched to find it."""

    name: str
    mac: str
    evidence: str


@dataclass(frozen=True, slots=True)
class FoundResult:
    """What an install has found.

    Args:
        stacks: All stacks.
        slots: Slots that were found, sorted by name.
        stacks_without_slots: Stacks with rasps whose slots were not found.
        missing_slots: Outlets of slots at which no rasp was found.
        incomplete_stacks: Number of other missing rasps, by the names of their stacks.
    """

    stacks: Sequence[FoundStack]
    slots: Sequence[FoundSlot]
    stacks_without_slots: Sequence[Stack]
    missing_slots: Sequence[Outlet]
    incomplete_stacks: Mapping[str, int]


def found_result(rack: Rack, report: ProgressReport, *, is_final: bool) -> FoundResult:
    """Return what an install of this rack has found so far, or in the end."""
    vacant = PlaceState.MISSING if is_final else PlaceState.PENDING
    stacks = [_found_stack(stack, report, vacant) for stack in rack.stacks]
    return FoundResult(
        stacks,
        _found_slots(report),
        [
            found.stack
            for found in stacks
            if len(found.stack.slots) > 1
            and any(place.mac and not place.slot for place in found.places)
        ],
        [outlet for outlet in rack.outlets if outlet.name in report.missing_slots],
        {
            found.stack.name: count
            for found in stacks
            if (count := sum(not (place.mac or place.slot) for place in found.places))
        },
    )


def _found_stack(stack: Stack, report: ProgressReport, vacant: PlaceState) -> FoundStack:
    macs = report.found.get(stack.number, ())
    without_slot = [mac for mac in macs if mac not in report.slots]
    missing_count = min(report.missing.get(stack.number, 0), len(stack.slots))
    named_count = sum(slot.name in report.missing_slots for slot in stack.slots)
    return FoundStack(
        stack,
        len(macs),
        missing_count > 0 and vacant is PlaceState.MISSING,
        [
            *_slots(stack, report, vacant),
            *(Place(PlaceState.FOUND, mac=mac) for mac in without_slot),
            *(Place(vacant) for _ in range(missing_count - named_count)),
        ],
    )


def _slots(stack: Stack, report: ProgressReport, vacant: PlaceState) -> Iterator[Place]:
    """Yield the slots whose rasps were found, or of which it is known that they are missing."""
    macs = {report.slots.get(mac): mac for mac in report.found.get(stack.number, ())}
    unclear = {name for names in report.conflicts.values() for name in names}
    for slot in stack.slots:
        if slot.number in macs:
            yield Place(PlaceState.FOUND, slot, macs[slot.number])
        elif slot.name in report.missing_slots:
            yield Place(PlaceState.UNCLEAR if slot.name in unclear else vacant, slot)


def _found_slots(report: ProgressReport) -> list[FoundSlot]:
    found = [
        (stack, report.slots[mac], mac)
        for stack, macs in report.found.items()
        for mac in macs
        if mac in report.slot_evidence
    ]
    return [
        FoundSlot(rasp_name(stack, slot), mac, _EVIDENCE_TEXTS[report.slot_evidence[mac]])
        for stack, slot, mac in sorted(found)
    ]
