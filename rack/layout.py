"""The layout: what stands where, and how it is wired, after rack.toml."""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from rack.errors import UnknownTargetError

Contact = Literal["normally_open", "normally_closed"]
AfterBoot = Literal["restore", "on", "off"]
Anonymous = Literal["none", "viewer"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a stack, which one rasp fills.

    `id` counts from 1 through the whole rack, stack by stack; `number` from 1 in its stack.
    `address` is the one that the plan of rack.toml gives to the rasp in this slot.
    """

    id: int
    stack: int
    number: int
    address: IPv4Address

    @property
    def name(self) -> str:
        """The short name on pages, dashboards and labels: `03-2`."""
        return f"{self.stack:02}-{self.number}"

    @property
    def host_name(self) -> str:
        """The host name of the rasp in this slot: `rasp-03-2`."""
        return f"rasp-{self.name}"


@dataclass(frozen=True, slots=True)
class Stack:
    """Rasps that share one relay.

    `number` counts from 1 in the order of rack.toml; `pin` is a BCM number;
    `x` and `y` are the column and the row of its place in the room, from the top left.
    """

    number: int
    pin: int
    x: int
    y: int
    slots: tuple[Slot, ...]

    @property
    def name(self) -> str:
        """The number as labels carry it, so that text sorts like numbers: `03`."""
        return f"{self.number:02}"


@dataclass(frozen=True, slots=True)
class Network:
    """The rack's own network, and where a rasp's exporter and its sshd listen in it."""

    subnet: IPv4Network
    master: IPv4Address
    exporter_port: int
    ssh_port: int = 22


@dataclass(frozen=True, slots=True)
class RelayBoard:
    """How the relay board is wired: two different things, which people often mix up.

    `active_high` is the pin's level that energises a coil; `contact` says which contact the
    stacks' supply goes through, that is, whether an energised relay gives power or cuts it.
    `after_boot` says which power the stacks get when the master has booted.
    """

    active_high: bool
    contact: Contact
    after_boot: AfterBoot = "restore"

    def power_when(self, *, energised: bool) -> bool:
        """Tell whether a stack has power while its relay is energised, or is not."""
        return energised == (self.contact == "normally_open")

    def coil_state_for(self, *, power: bool) -> bool:
        """Tell whether a relay must be energised for its stack to have power, or to have none."""
        return power == (self.contact == "normally_open")


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who comes in how.

    `anonymous` is what those may do who have not said who they are; `hosts` are the names, beside
    the master's own, by which browsers reach the controller.
    """

    anonymous: Anonymous = "none"
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """How long what may take while an order runs, in seconds, and how many rasps boot at once.

    A rasp gets `boot_seconds` from power to an answer and `shutdown_seconds` to be gone; its disks
    get `disk_settle_seconds` between that and the cut; a power cycle leaves a stack off for
    `off_seconds`. `max_booting` counts rasps: many supplies cannot bear more (of 22 Pi 3 that
    booted from the network at once, 1 to 5 came up: raspberrypi/firmware's issue 764).
    """

    boot_seconds: float = 120.0
    shutdown_seconds: float = 60.0
    disk_settle_seconds: float = 5.0
    off_seconds: float = 5.0
    max_booting: int = 8


RASPBERRY_PI_MAC_PREFIXES = (
    "b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd", "2c:cf:67", "88:a2:9e",
)  # fmt: skip
"""What the MAC addresses of Raspberry Pis begin with, as registered with the IEEE."""


@dataclass(frozen=True, slots=True)
class InstallSettings:
    """What an install goes by; times in seconds.

    `timeout_seconds` is what a rasp gets from power to its first word, `cut_seconds` how long a
    stack is without power to see who falls silent, `stagger_seconds` lies between two stacks that
    get power. Only a MAC that begins with one of `mac_prefixes` is a rasp's. A replacement waits
    for the new board for `replace_seconds` at the longest.
    """

    timeout_seconds: float = 90.0
    cut_seconds: float = 3.0
    stagger_seconds: float = 1.0
    replace_seconds: float = 900.0
    mac_prefixes: tuple[str, ...] = RASPBERRY_PI_MAC_PREFIXES


@dataclass(frozen=True, slots=True)
class RemediationSettings:
    """What the controller may do about an alert by itself: see `controller.alerts.remediation`.

    `max_per_hour` is for all of them together.
    """

    power_cycle_dead_stack: bool = False
    reboot_wedged_rasp: bool = False
    max_per_hour: int = 2


@dataclass(frozen=True)
class Rack:
    """A rack: name, stacks, network, relay board, who comes in, how orders and installs go."""

    name: str
    network: Network
    relays: RelayBoard
    stacks: tuple[Stack, ...]
    access: AccessSettings = AccessSettings()
    orders: OrderSettings = OrderSettings()
    install: InstallSettings = InstallSettings()
    remediation: RemediationSettings = RemediationSettings()

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """All slots, in order of their ids."""
        return tuple(slot for stack in self.stacks for slot in stack.slots)

    def stack(self, number: int) -> Stack:
        """Return the stack of this number, or raise `UnknownTargetError`."""
        if 1 <= number <= len(self.stacks):
            return self.stacks[number - 1]
        raise UnknownTargetError(f"no stack {number}: this rack has stacks 1 to {len(self.stacks)}")

    def slot(self, id: int) -> Slot:  # noqa: A002 - the word of the design and of the API
        """Return the slot of this id, or raise `UnknownTargetError`."""
        if 1 <= id <= len(self.slots):
            return self.slots[id - 1]
        raise UnknownTargetError(f"no rasp {id}: this rack has rasps 1 to {len(self.slots)}")
