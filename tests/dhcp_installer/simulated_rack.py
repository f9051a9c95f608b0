"""A rack in simulated time: what a strategy is told of power, boots and faults, and nothing else.

The same strategies drive it as drive a rack of wood and copper. A trial of 48 rasps takes
milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random

from dhcp_installer.discovery.strategy import (
    BecameReachable,
    BecameUnreachable,
    Command,
    DhcpActivity,
    DiscoveryEvent,
    DiscoveryResult,
    PowerOff,
    PowerOn,
    Strategy,
    Tick,
    WaitUntil,
)

BOOT_SECONDS = (25.0, 45.0)  # seconds from power to the first word to the DHCP server
SLOW_BOOT_SECONDS = (95.0, 150.0)  # the time-out is 90
FIRST_REPLY_SECONDS = (0.2, 1.0)  # seconds from that word to the first answer to a ping
PING_LOSS_SECONDS = (0.3, 1.3)  # seconds from a cut to a ping that is known to be lost
REBOOT_AFTER_SECONDS = (0.0, 200.0)  # seconds from the first word to a reboot that nobody asked for
SLOW_BOOT_PROBABILITY = 1 / 3  # the part of its boots in which a rasp that is sometimes slow is so


@dataclass
class SimulatedPi:
    """A rasp in a stack; stack None is a Pi that has a supply of its own."""

    mac: str
    stack: int | None
    is_dead: bool = False
    is_slow: bool = False
    is_sometimes_slow: bool = False
    ignores_pings: bool = False  # answers no ping
    renewal_interval: float | None = None  # seconds between two words while it is up
    reboot_after: float | None = None  # seconds after its first word
    power_generation: int = (
        0  # one more with each change of power, so that what was planned is void
    )
    is_up: bool = False
    has_sent_dhcp: bool = False


@dataclass
class SimulatedRack:
    """Rasps, relays and time."""

    pis: list[SimulatedPi]
    random: Random
    stuck_stacks: frozenset[int] = frozenset()  # stacks whose relay never cuts
    link_delay: float = 0.0  # seconds for which a switch holds back a port that has just come up
    now: float = 0.0
    commands: list[tuple[float, Command]] = field(default_factory=list)
    power: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scheduled: list[tuple[float, int, SimulatedPi, int, str]] = []
        self._number = count()
        self._by_stack: dict[int | None, list[SimulatedPi]] = {}
        for pi in self.pis:
            self._by_stack.setdefault(pi.stack, []).append(pi)
        for pi in self._by_stack.get(None, []):
            self._boot(pi)

    @property
    def actual_stacks(self) -> Mapping[str, int | None]:
        """Where each Pi is."""
        return {pi.mac: pi.stack for pi in self.pis}

    def discover(self, strategy: Strategy) -> DiscoveryResult:
        """Do what a strategy says, until it has its findings."""
        discovery = strategy.run()
        command = next(discovery)
        while True:
            event = self._execute(command)
            try:
                command = discovery.send(event)
            except StopIteration as end:
                findings: DiscoveryResult = end.value
                return findings

    def _execute(self, command: Command) -> DiscoveryEvent:
        match command:
            case WaitUntil(at):
                return self._next_event(at)
            case PowerOn(stack) | PowerOff(stack):
                self.commands.append((self.now, command))
                self._switch(
                    stack, is_on=isinstance(command, PowerOn) or stack in self.stuck_stacks
                )
        return Tick(self.now)

    def _switch(self, stack: int, *, is_on: bool) -> None:
        if self.power.get(stack, False) == is_on:
            return
        self.power[stack] = is_on
        for pi in self._by_stack[stack]:
            if is_on:
                self._boot(pi)
            else:
                self._lose_power(pi)

    def _boot(self, pi: SimulatedPi) -> None:
        pi.power_generation += 1
        if pi.is_dead:
            return
        is_slow = pi.is_slow or (
            pi.is_sometimes_slow and self.random.random() < SLOW_BOOT_PROBABILITY
        )
        boot = self.random.uniform(*(SLOW_BOOT_SECONDS if is_slow else BOOT_SECONDS))
        self._schedule(boot + self.link_delay, pi, "speak")

    def _lose_power(self, pi: SimulatedPi) -> None:
        pi.power_generation += 1
        if pi.is_up:
            pi.is_up = False
            self._schedule(self.random.uniform(*PING_LOSS_SECONDS), pi, "missed")

    def _schedule(self, seconds: float, pi: SimulatedPi, action: str) -> None:
        heappush(
            self._scheduled,
            (self.now + seconds, next(self._number), pi, pi.power_generation, action),
        )

    def _next_event(self, until: float) -> DiscoveryEvent:
        while self._scheduled and self._scheduled[0][0] < until:
            self.now, _, pi, life, what = heappop(self._scheduled)
            if (life == pi.power_generation or what == "missed") and (
                event := self._apply(pi, what)
            ):
                return event
        self.now = until
        return Tick(until)

    def _apply(self, pi: SimulatedPi, action: str) -> DiscoveryEvent | None:
        match action:
            case "speak":
                if not pi.is_up and not pi.ignores_pings:
                    self._schedule(self.random.uniform(*FIRST_REPLY_SECONDS), pi, "answer")
                if not pi.has_sent_dhcp and pi.reboot_after is not None:
                    self._schedule(pi.reboot_after, pi, "reboot")
                pi.has_sent_dhcp = True
                if pi.renewal_interval:
                    self._schedule(pi.renewal_interval, pi, "speak")
                return DhcpActivity(pi.mac, self.now)
            case "answer":
                pi.is_up = True
                return BecameReachable(pi.mac, self.now)
            case "missed":
                return BecameUnreachable(pi.mac, self.now)
            case _:
                self._lose_power(pi)
                self._schedule(self.random.uniform(*BOOT_SECONDS), pi, "speak")
                return None


def healthy_pis(stacks: int, slots: int = 4) -> list[SimulatedPi]:
    """Return the Pis of a full rack."""
    return [
        SimulatedPi(f"b8:27:eb:00:{stack:02x}:{slot:02x}", stack)
        for stack in range(1, stacks + 1)
        for slot in range(1, slots + 1)
    ]


def no_fault(pis: list[SimulatedPi], random: Random) -> None:
    """All is well."""


def one_dead(pis: list[SimulatedPi], random: Random) -> None:
    """One Pi, anywhere, gives no sign of life."""
    random.choice(pis).is_dead = True


def one_slow(pis: list[SimulatedPi], random: Random) -> None:
    """One Pi takes longer than the time-out at every boot."""
    random.choice(pis).is_slow = True


def one_rebooting(pis: list[SimulatedPi], random: Random) -> None:
    """One Pi reboots once by itself."""
    random.choice(pis).reboot_after = random.uniform(*REBOOT_AFTER_SECONDS)


def mixed_faults(pis: list[SimulatedPi], random: Random) -> None:
    """2 % dead, 1 % slow, 2 % sometimes slow, 2 % that reboot once by themselves."""
    for pi in pis:
        lot = random.random()
        if lot < 0.02:
            pi.is_dead = True
        elif lot < 0.03:
            pi.is_slow = True
        elif lot < 0.05:
            pi.is_sometimes_slow = True
        elif lot < 0.07:
            pi.reboot_after = random.uniform(*REBOOT_AFTER_SECONDS)


FAULTS = {
    "no fault": no_fault,
    "one dead": one_dead,
    "one slow": one_slow,
    "one reboots": one_rebooting,
    "mix": mixed_faults,
}
