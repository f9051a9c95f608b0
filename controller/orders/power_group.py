"""Groups of rasps whose power an order switches, with their outlets."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from controller.errors import InvalidActionError
from rack.layout import GPIO, Outlet, Rack, Slot, Stack


@dataclass(frozen=True, slots=True)
class PowerGroup:
    """The target of a power order: a stack, or one rasp that has an outlet to itself.

    Attributes:
        stack: The stack.
        slot: Slot of the rasp, or None for the whole stack.
    """

    stack: Stack
    slot: Slot | None = None

    @property
    def target(self) -> Slot | Stack:
        """The slot or the stack."""
        return self.slot or self.stack

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Slots of the group."""
        return (self.slot,) if self.slot else self.stack.slots

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """Outlets that power these slots and no others, in the order of the slots."""
        return (self.stack.outlet_of(self.slot),) if self.slot else self.stack.outlets

    @property
    def device(self) -> str:
        """What switches the power, in texts for users."""
        return "relay" if all(outlet.source == GPIO for outlet in self.outlets) else "outlet"

    def outlet_of(self, slot: Slot) -> Outlet:
        """Return the outlet that powers a slot of the group."""
        return self.stack.outlet_of(slot)

    def slots_of(self, outlets: Iterable[Outlet]) -> tuple[Slot, ...]:
        """Return the slots that outlets of the group power."""
        return tuple(slot for outlet in outlets for slot in self.stack.slots_of(outlet))

    def booting_rasps(
        self, outlets: Iterable[Outlet], installed: Collection[tuple[int, int]]
    ) -> int:
        """Return the number of rasps that boot when outlets of the group are switched on.

        A stack without an installed rasp may have one in each slot.

        Args:
            outlets: Outlets of the group.
            installed: (stack, slot) of the installed rasps.
        """
        is_known = any((slot.stack, slot.number) in installed for slot in self.stack.slots)
        return sum(
            not is_known or (slot.stack, slot.number) in installed
            for slot in self.slots_of(outlets)
        )

    def batches(self, outlets: Iterable[Outlet], max_rasps: int) -> Iterator[tuple[Outlet, ...]]:
        """Yield the outlets in batches of up to `max_rasps` slots, but of one outlet at least."""
        batch: tuple[Outlet, ...] = ()
        for outlet in outlets:
            if batch and len(self.slots_of([*batch, outlet])) > max_rasps:
                yield batch
                batch = ()
            batch += (outlet,)
        if batch:
            yield batch


def group_of_rasp(rack: Rack, slot: Slot) -> PowerGroup:
    """Return the group of one rasp.

    Raises:
        InvalidActionError: If the rasp shares its outlet with others.
    """
    stack = rack.stack(slot.stack)
    others = [each.name for each in stack.slots_of(stack.outlet_of(slot)) if each != slot]
    if others:
        names = " and ".join(filter(None, (", ".join(others[:-1]), others[-1])))
        raise InvalidActionError(
            "action", f"{slot.name} shares its outlet with {names}: use stack {stack.number}"
        )
    return PowerGroup(stack, slot)


def has_rasp_outlets(rack: Rack) -> bool:
    """Return whether the power of some rasps can be switched without that of others."""
    return any(
        len(stack.slots_of(outlet)) == 1 for stack in rack.stacks for outlet in stack.outlets
    )
