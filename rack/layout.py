"""Layout of a rack: its stacks, their slots, and its settings."""

from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address

from rack.errors import UnknownTargetError
from rack.names import HOST_NAME_PREFIX, rasp_name, slot_target, stack_name
from rack.settings import (
    AccessSettings,
    InstallSettings,
    Network,
    OrderSettings,
    RelayBoard,
    RemediationSettings,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a stack for one rasp.

    Attributes:
        id: Number in the rack, from 1, stack by stack.
        stack: Number of the stack.
        number: Number in the stack, from 1.
        address: IP address of the rasp in this slot.
    """

    id: int
    stack: int
    number: int
    address: IPv4Address

    @property
    def name(self) -> str:
        """Short name on pages and dashboards and in labels, for example `03-2`."""
        return rasp_name(self.stack, self.number)

    @property
    def target(self) -> str:
        """Target expression of this slot, for example `3/2`."""
        return slot_target(self.stack, self.number)

    @property
    def stack_name(self) -> str:
        """Name of the stack, for example `03`."""
        return stack_name(self.stack)

    @property
    def host_name(self) -> str:
        """Host name of the rasp in this slot, for example `rasp-03-2`."""
        return f"{HOST_NAME_PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class Stack:
    """Rasps that share one relay.

    Attributes:
        number: Number in the rack, from 1, in the order of rack.toml.
        pin: BCM number of the relay's pin.
        x: Column, 0 at the left.
        y: Row, 0 at the top.
        slots: Slots of the stack.
    """

    number: int
    pin: int
    x: int
    y: int
    slots: tuple[Slot, ...]

    @property
    def name(self) -> str:
        """Name on pages and dashboards and in labels, for example `03`."""
        return stack_name(self.number)


@dataclass(frozen=True)
class Rack:
    """A rack: its name, stacks and settings."""

    name: str
    network: Network
    relays: RelayBoard
    stacks: tuple[Stack, ...]
    access: AccessSettings = field(default_factory=AccessSettings)
    orders: OrderSettings = field(default_factory=OrderSettings)
    install: InstallSettings = field(default_factory=InstallSettings)
    remediation: RemediationSettings = field(default_factory=RemediationSettings)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """All slots, sorted by id."""
        return tuple(slot for stack in self.stacks for slot in stack.slots)

    def stack(self, number: int) -> Stack:
        """Return the stack with this number, or raise `UnknownTargetError`."""
        if 1 <= number <= len(self.stacks):
            return self.stacks[number - 1]
        raise UnknownTargetError(f"no stack {number}: this rack has stacks 1 to {len(self.stacks)}")

    def slot(self, id: int) -> Slot:  # noqa: A002 - the name in the API
        """Return the slot with this id, or raise `UnknownTargetError`."""
        if 1 <= id <= len(self.slots):
            return self.slots[id - 1]
        raise UnknownTargetError(f"no rasp {id}: this rack has rasps 1 to {len(self.slots)}")
