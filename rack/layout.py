"""Layout of a rack: its stacks, their slots and outlets, and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import NamedTuple

from rack.errors import UnknownTargetError
from rack.names import HOST_NAME_PREFIX, rasp_name, slot_target, stack_name
from rack.settings import (
    AccessSettings,
    InstallSettings,
    Network,
    OrderSettings,
    RelayBoard,
    RemediationSettings,
    Settings,
)

GPIO = "gpio"
"""Name of the power source that is built in: the relay board `[relays]` on the master's pins."""


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


class Outlet(NamedTuple):
    """What switches the power of a whole stack or of one slot.

    Attributes:
        stack: Number of the stack.
        slot: Number of the slot in the stack, or None if the outlet powers the whole stack.
        source: Name of the power source: `gpio`, or `NAME` of a table `[power.NAME]`.
        address: Address of the outlet at its power source, in the form of the driver's
            `normalize_address`: for example `17` or `5`.
    """

    stack: int
    slot: int | None
    source: str
    address: str

    @property
    def name(self) -> str:
        """Name of the stack or rasp that the outlet powers, for example `03` or `03-2`."""
        return stack_name(self.stack) if self.slot is None else rasp_name(self.stack, self.slot)

    @property
    def target(self) -> str:
        """What the outlet powers, in a sentence: `stack 3` or `03-2`."""
        return f"stack {self.stack}" if self.slot is None else self.name

    @property
    def label(self) -> str:
        """Text for people, for example `GPIO17` or `poe:5`."""
        return f"GPIO{self.address}" if self.source == GPIO else f"{self.source}:{self.address}"


@dataclass(frozen=True, slots=True)
class Stack:
    """Rasps that share one outlet, or that have one outlet each.

    Attributes:
        number: Number in the rack, from 1, in the order of rack.toml.
        x: Column, 0 at the left.
        y: Row, 0 at the top.
        slots: Slots of the stack.
        outlets: The outlet of the stack, or the outlets of its slots, in the order of the slots.
    """

    number: int
    x: int
    y: int
    slots: tuple[Slot, ...]
    outlets: tuple[Outlet, ...]

    @property
    def name(self) -> str:
        """Name on pages and dashboards and in labels, for example `03`."""
        return stack_name(self.number)

    @property
    def has_outlet_per_slot(self) -> bool:
        """Whether each slot has an outlet of its own."""
        return self.outlets[0].slot is not None

    def outlet_of(self, slot: Slot) -> Outlet:
        """Return the outlet that powers a slot of this stack."""
        return self.outlets[slot.number - 1 if self.has_outlet_per_slot else 0]

    def slots_of(self, outlet: Outlet) -> tuple[Slot, ...]:
        """Return the slots that an outlet of this stack powers."""
        return self.slots if outlet.slot is None else (self.slots[outlet.slot - 1],)


@dataclass(frozen=True, slots=True)
class PowerSource:
    """A configured device of a power driver.

    Attributes:
        name: `gpio`, or `NAME` of a table `[power.NAME]`.
        driver: Name of the power driver, for example `snmp`.
        settings: Settings of the driver: `[relays]`, or the table `[power.NAME]` without `driver`.
    """

    name: str
    driver: str
    settings: Settings


@dataclass(frozen=True)
class Rack:
    """A rack: its name, stacks and settings.

    Attributes:
        name: Name of the rack.
        network: Network of the rack.
        relays: Wiring of the relay board, or None if rack.toml describes none.
        stacks: Stacks, sorted by number.
        power: Power sources of the tables `[power.NAME]`, keyed by name.
        access: Access to the controller.
        orders: Time limits for orders.
        install: Time limits and MAC addresses of installs.
        remediation: Actions that the controller takes when an alert fires.
    """

    name: str
    network: Network
    relays: RelayBoard | None
    stacks: tuple[Stack, ...]
    power: Mapping[str, PowerSource] = field(default_factory=lambda: MappingProxyType({}))
    access: AccessSettings = field(default_factory=AccessSettings)
    orders: OrderSettings = field(default_factory=OrderSettings)
    install: InstallSettings = field(default_factory=InstallSettings)
    remediation: RemediationSettings = field(default_factory=RemediationSettings)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """All slots, sorted by id."""
        return tuple(slot for stack in self.stacks for slot in stack.slots)

    @cached_property
    def outlets(self) -> tuple[Outlet, ...]:
        """All outlets, sorted by stack and slot."""
        return tuple(outlet for stack in self.stacks for outlet in stack.outlets)

    @cached_property
    def power_sources(self) -> Mapping[str, PowerSource]:
        """All power sources, keyed by name. `gpio` is one of them if an outlet uses it."""
        if self.relays is None or not self.outlets_of(GPIO):
            return self.power
        return {GPIO: PowerSource(GPIO, GPIO, self.relays), **self.power}

    def outlet_of(self, slot: Slot) -> Outlet:
        """Return the outlet that powers a slot."""
        return self.stack(slot.stack).outlet_of(slot)

    def outlets_of(self, source: str) -> tuple[Outlet, ...]:
        """Return the outlets of a power source, sorted by stack and slot."""
        return tuple(outlet for outlet in self.outlets if outlet.source == source)

    def outlet(self, stack: int, slot: int | None = None) -> Outlet:
        """Return the outlet of a whole stack, or of one slot.

        Raises:
            UnknownTargetError: If the stack does not exist, or has no such outlet.
        """
        for outlet in self.stack(stack).outlets:
            if outlet.slot == slot:
                return outlet
        if slot is None:
            raise UnknownTargetError(f"stack {stack} has an outlet for each of its rasps")
        raise UnknownTargetError(f"{rasp_name(stack, slot)} has no outlet of its own")

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
