"""Assignment: which of a stack's rasps gets which slot, and with it its name and address.

Power tells the stack, nothing tells the slot: a rasp that was in the stack before keeps its slot,
new ones fill the free ones in order of MAC, unless people say otherwise, and `swap` mends the rest.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from dhcp_installer.errors import AssignmentError
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack


@dataclass(frozen=True, slots=True)
class Assignment:
    """The inventory as it is to be, and what is new in it.

    `rasps` are all that are known, in order of their slots; `absent` those among them that were
    not found this time and keep their slot; `new` and `moved` those that were not in the inventory,
    or elsewhere; `replaced` were in the inventory, and somebody else has their slot now. `empty`
    are the slots without a rasp.
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
    """Give each rasp found a slot of its stack, and the address that rack.toml plans for it.

    Args:
        rack: the layout.
        discovered: the MACs of each stack's rasps, by the stack's number.
        previous: the inventory until now.
        requested_slots: slot numbers that people chose, by MAC; they come before all else.

    Raises:
        AssignmentError: a stack has more rasps than slots, a MAC is in two stacks, or what is
            wanted cannot be.
        UnknownPlace: there is no such stack in this rack.
    """
    known = {rasp.mac: rasp for rasp in previous}
    stack_of = _stack_by_mac(discovered)
    places: dict[str, Slot] = {}
    for number, macs in discovered.items():
        places |= _assign_stack(rack.stack(number), sorted(macs), known, requested_slots or {})
    taken = set(places.values())
    absent = {
        mac: slot
        for mac, rasp in known.items()
        if mac not in stack_of
        and (slot := _find_slot(rack, rasp)) is not None
        and slot not in taken
    }
    rasps = sorted(
        (
            Rasp(slot.stack, slot.number, mac, slot.address)
            for mac, slot in (places | absent).items()
        ),
        key=lambda rasp: (rasp.stack, rasp.slot),
    )
    return Assignment(
        tuple(rasps),
        new=frozenset(places.keys() - known.keys()),
        moved=frozenset(
            mac
            for mac, slot in places.items()
            if mac in known and _find_slot(rack, known[mac]) != slot
        ),
        absent=frozenset(absent),
        replaced=frozenset(known.keys() - places.keys() - absent.keys()),
        empty=tuple(slot for slot in rack.slots if slot not in taken | set(absent.values())),
    )


def swap(
    rack: Rack, rasps: Iterable[Rasp], one: tuple[int, int], other: tuple[int, int]
) -> tuple[Rasp, ...]:
    """Exchange the rasps of two slots of a stack; each is (stack, slot), and one may be empty.

    Raises:
        AssignmentError: the slots are not in one stack, or both are empty.
        UnknownPlace: there is no such stack in this rack.
    """
    places = {(rasp.stack, rasp.slot): rasp for rasp in rasps}
    if one[0] != other[0]:
        raise AssignmentError(
            f"slots {one[0]}/{one[1]} and {other[0]}/{other[1]} are in two stacks, and power tells"
            " which stack a rasp is in: install again if you have moved it"
        )
    slots = {slot.number: slot for slot in rack.stack(one[0]).slots}
    for _, number in (one, other):
        if number not in slots:
            raise AssignmentError(
                f"there is no slot {one[0]}/{number}: stack {one[0]} has slots 1 to {len(slots)}"
            )
    here, there = places.pop(one, None), places.pop(other, None)
    if here is None and there is None:
        raise AssignmentError(
            f"there is no rasp in slot {one[0]}/{one[1]}, nor in {other[0]}/{other[1]}: name"
            " another slot"
        )
    for rasp, (stack, number) in ((here, other), (there, one)):
        if rasp is not None:
            moved = replace(rasp, slot=number, address=slots[number].address)
            places[stack, number] = moved
    return tuple(places[place] for place in sorted(places))


def _assign_stack(
    stack: Stack,
    macs: Collection[str],
    known: Mapping[str, Rasp],
    requested_slots: Mapping[str, int],
) -> dict[str, Slot]:
    if len(macs) > len(stack.slots):
        raise AssignmentError(
            f"stack {stack.number} has {len(macs)} rasps ({', '.join(macs)}) and"
            f" {len(stack.slots)} slots: give it more in rack.toml, or take one out"
        )
    slots = {slot.number: slot for slot in stack.slots}
    places: dict[str, Slot] = {}
    for mac in macs:
        if mac in requested_slots:
            if requested_slots[mac] not in slots:
                raise AssignmentError(
                    f"{mac} is wanted in slot {stack.number}/{requested_slots[mac]}, which is taken or is"
                    " not there: choose another"
                )
            places[mac] = slots.pop(requested_slots[mac])
    for mac in macs:
        rasp = known.get(mac)
        if mac not in places and rasp and rasp.stack == stack.number and rasp.slot in slots:
            places[mac] = slots.pop(rasp.slot)
    # A slot whose rasp is only absent is taken last.
    of_absent = {
        rasp.slot for mac, rasp in known.items() if rasp.stack == stack.number and mac not in macs
    }
    free = sorted(slots, key=lambda number: (number in of_absent, number))
    rest = [mac for mac in macs if mac not in places]
    return places | {mac: slots[number] for mac, number in zip(rest, free, strict=False)}


def _stack_by_mac(discovered: Mapping[int, Collection[str]]) -> dict[str, int]:
    stack_of: dict[str, int] = {}
    for number, macs in discovered.items():
        for mac in macs:
            if (other := stack_of.setdefault(mac, number)) != number:
                raise AssignmentError(
                    f"{mac} is in stack {other} and in stack {number}: it can be in one"
                )
    return stack_of


def _find_slot(rack: Rack, rasp: Rasp) -> Slot | None:
    """Return a rasp's slot; None where rack.toml no longer has it."""
    for slot in rack.slots:
        if (slot.stack, slot.number) == (rasp.stack, rasp.slot):
            return slot
    return None
