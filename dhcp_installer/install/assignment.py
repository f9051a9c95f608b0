"""Assignment of the rasps found in a stack to its slots.

If each slot has an outlet of its own, the slot of a rasp is known. Otherwise, the slot within a
stack cannot be detected: a known rasp keeps its slot, and new rasps fill the free slots in the
order of their MAC addresses. `swap` corrects the result.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from dhcp_installer.errors import AssignmentError
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack


@dataclass(frozen=True, slots=True)
class Assignment:
    """The new inventory and its differences from the previous one.

    Args:
        rasps: All rasps, sorted by slot.
        new: MAC addresses that were not in the previous inventory.
        moved: MAC addresses that were in another slot.
        absent: MAC addresses that were not found and keep their slot.
        replaced: MAC addresses that lost their slot.
        empty: Slots without a rasp.
    """

    rasps: tuple[Rasp, ...]
    new: frozenset[str]
    moved: frozenset[str]
    absent: frozenset[str]
    replaced: frozenset[str]
    empty: tuple[Slot, ...]


def assign(
    rack: Rack,
    discovered: Mapping[int, Collection[str]],
    previous: Iterable[Rasp] = (),
    requested_slots: Mapping[str, int] | None = None,
) -> Assignment:
    """Assign each rasp found to a slot of its stack and to the address of the slot.

    Args:
        rack: The layout.
        discovered: MAC addresses found in each stack.
        previous: The previous inventory.
        requested_slots: Slot numbers for MAC addresses. Requested slots take precedence.

    Raises:
        AssignmentError: If a stack has more rasps than slots, a MAC address is in two stacks, or
            a requested slot is not available.
        UnknownTargetError: If the rack does not have the stack.
    """
    known = {rasp.mac: rasp for rasp in previous}
    stack_by_mac = _stack_by_mac(discovered)
    assigned: dict[str, Slot] = {}
    for number, macs in discovered.items():
        assigned |= _assign_stack(rack.stack(number), sorted(macs), known, requested_slots or {})
    taken = set(assigned.values())
    absent = {
        mac: slot
        for mac, rasp in known.items()
        if mac not in stack_by_mac
        and (slot := _find_slot(rack, rasp)) is not None
        and slot not in taken
    }
    rasps = sorted(
        (
            Rasp(slot.stack, slot.number, mac, slot.address)
            for mac, slot in (assigned | absent).items()
        ),
        key=lambda rasp: (rasp.stack, rasp.slot),
    )
    return Assignment(
        tuple(rasps),
        new=frozenset(assigned.keys() - known.keys()),
        moved=frozenset(
            mac
            for mac, slot in assigned.items()
            if mac in known and _find_slot(rack, known[mac]) != slot
        ),
        absent=frozenset(absent),
        replaced=frozenset(known.keys() - assigned.keys() - absent.keys()),
        empty=tuple(slot for slot in rack.slots if slot not in taken | set(absent.values())),
    )


def swap(rasps: Iterable[Rasp], one: Slot, other: Slot) -> tuple[Rasp, ...]:
    """Exchange the rasps of two slots of a stack, one of which may be empty.

    Raises:
        AssignmentError: If the slots are in different stacks, or both are empty.
    """
    if one.stack != other.stack:
        raise AssignmentError(
            f"slots {one.name} and {other.name} are in different stacks: if you moved a rasp to"
            " another stack, run an install"
        )
    by_slot = {(rasp.stack, rasp.slot): rasp for rasp in rasps}
    moves = [
        (by_slot.pop((source.stack, source.number), None), destination)
        for source, destination in ((one, other), (other, one))
    ]
    if not any(rasp for rasp, _ in moves):
        raise AssignmentError(
            f"slots {one.name} and {other.name} are empty: specify a slot with a rasp"
        )
    for rasp, slot in moves:
        if rasp is not None:
            by_slot[slot.stack, slot.number] = replace(rasp, slot=slot.number, address=slot.address)
    return tuple(by_slot[key] for key in sorted(by_slot))


def _assign_stack(
    stack: Stack,
    macs: Collection[str],
    known: Mapping[str, Rasp],
    requested_slots: Mapping[str, int],
) -> dict[str, Slot]:
    if len(macs) > len(stack.slots):
        raise AssignmentError(
            f"stack {stack.number} has {len(macs)} rasps ({', '.join(macs)}) but only"
            f" {len(stack.slots)} slots: add slots in rack.toml, or remove a rasp"
        )
    free = {slot.number: slot for slot in stack.slots}
    assigned: dict[str, Slot] = {}
    for mac in macs:
        if mac in requested_slots:
            if requested_slots[mac] not in free:
                raise AssignmentError(
                    f"{mac}: slot {requested_slots[mac]} of stack {stack.number} does not exist or"
                    " is already requested: choose another slot"
                )
            assigned[mac] = free.pop(requested_slots[mac])
    for mac in macs:
        rasp = known.get(mac)
        if mac not in assigned and rasp and rasp.stack == stack.number and rasp.slot in free:
            assigned[mac] = free.pop(rasp.slot)
    # Slots of absent rasps are used last.
    absent_slots = {
        rasp.slot for mac, rasp in known.items() if rasp.stack == stack.number and mac not in macs
    }
    numbers = sorted(free, key=lambda number: (number in absent_slots, number))
    remaining = [mac for mac in macs if mac not in assigned]
    return assigned | {mac: free[number] for mac, number in zip(remaining, numbers, strict=False)}


def _stack_by_mac(discovered: Mapping[int, Collection[str]]) -> dict[str, int]:
    stack_by_mac: dict[str, int] = {}
    for number, macs in discovered.items():
        for mac in macs:
            if (other := stack_by_mac.setdefault(mac, number)) != number:
                raise AssignmentError(f"{mac} is in stack {other} and in stack {number}")
    return stack_by_mac


def _find_slot(rack: Rack, rasp: Rasp) -> Slot | None:
    """Return the slot of a rasp, or None if rack.toml no longer contains the slot."""
    for slot in rack.slots:
        if (slot.stack, slot.number) == (rasp.stack, rasp.slot):
            return slot
    return None
