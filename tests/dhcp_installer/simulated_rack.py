"""A rack in simulated time: what a strategy is told of power, boots and faults, and nothing else.

The same strategies drive it as drive a rack of wood and copper. A trial of 48 rasps takes
milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random

from dhcp_installer.discovery import (
    Answers,
    Clock,
    Command,
    Event,
    FellSilent,
    Findings,
    PowerOff,
    PowerOn,
    Seen,
    Strategy,
    WaitUntil,
)

BOOT = (25.0, 45.0)  # seconds from power to the first word to the DHCP server
SLOW_BOOT = (95.0, 150.0)  # the time-out is 90
FIRST_ANSWER = (0.2, 1.0)  # seconds from that word to the first answer to a ping
NOTICED = (0.3, 1.3)  # seconds from a cut to a ping that is known to be lost
REBOOT = (0.0, 200.0)  # seconds from the first word to a reboot that nobody asked for
SOMETIMES = 1 / 3  # the part of its boots in which a rasp that is sometimes slow is so


@dataclass
class Pi:
    """A rasp in a stack; stack None is a Pi that has a supply of its own."""

    mac: str
    stack: int | None
    is_dead: bool = False
    is_slow: bool = False
    is_sometimes_slow: bool = False
    is_mute: bool = False  # answers no ping
    renews: float | None = None  # seconds between two words while it is up
    reboots_at: float | None = None  # seconds after its first word
    life: int = 0  # one more with each change of power, so that what was planned is void
    is_up: bool = False
    has_spoken: bool = False


@dataclass
class SimulatedRack:
    """Rasps, relays and time."""

    pis: list[Pi]
    random: Random
    stuck: frozenset[int] = frozenset()  # stacks whose relay never cuts
    link_delay: float = 0.0  # seconds for which a switch holds back a port that has just come up
    now: float = 0.0
    moves: list[tuple[float, Command]] = field(default_factory=list)
    power: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._planned: list[tuple[float, int, Pi, int, str]] = []
        self._number = count()
        self._by_stack: dict[int | None, list[Pi]] = {}
        for pi in self.pis:
            self._by_stack.setdefault(pi.stack, []).append(pi)
        for pi in self._by_stack.get(None, []):
            self._boot(pi)

    @property
    def truth(self) -> Mapping[str, int | None]:
        """Where each Pi is."""
        return {pi.mac: pi.stack for pi in self.pis}

    def discover(self, strategy: Strategy) -> Findings:
        """Do what a strategy says, until it has its findings."""
        discovery = strategy.run()
        command = next(discovery)
        while True:
            event = self._do(command)
            try:
                command = discovery.send(event)
            except StopIteration as end:
                findings: Findings = end.value
                return findings

    def _do(self, command: Command) -> Event:
        match command:
            case WaitUntil(at):
                return self._next_event(at)
            case PowerOn(stack) | PowerOff(stack):
                self.moves.append((self.now, command))
                self._switch(stack, is_on=isinstance(command, PowerOn) or stack in self.stuck)
        return Clock(self.now)

    def _switch(self, stack: int, *, is_on: bool) -> None:
        if self.power.get(stack, False) == is_on:
            return
        self.power[stack] = is_on
        for pi in self._by_stack[stack]:
            if is_on:
                self._boot(pi)
            else:
                self._die(pi)

    def _boot(self, pi: Pi) -> None:
        pi.life += 1
        if pi.is_dead:
            return
        is_slow = pi.is_slow or (pi.is_sometimes_slow and self.random.random() < SOMETIMES)
        boot = self.random.uniform(*(SLOW_BOOT if is_slow else BOOT))
        self._plan(boot + self.link_delay, pi, "speak")

    def _die(self, pi: Pi) -> None:
        pi.life += 1
        if pi.is_up:
            pi.is_up = False
            self._plan(self.random.uniform(*NOTICED), pi, "missed")

    def _plan(self, seconds: float, pi: Pi, what: str) -> None:
        heappush(self._planned, (self.now + seconds, next(self._number), pi, pi.life, what))

    def _next_event(self, until: float) -> Event:
        while self._planned and self._planned[0][0] < until:
            self.now, _, pi, life, what = heappop(self._planned)
            if (life == pi.life or what == "missed") and (event := self._happen(pi, what)):
                return event
        self.now = until
        return Clock(until)

    def _happen(self, pi: Pi, what: str) -> Event | None:
        match what:
            case "speak":
                if not pi.is_up and not pi.is_mute:
                    self._plan(self.random.uniform(*FIRST_ANSWER), pi, "answer")
                if not pi.has_spoken and pi.reboots_at is not None:
                    self._plan(pi.reboots_at, pi, "reboot")
                pi.has_spoken = True
                if pi.renews:
                    self._plan(pi.renews, pi, "speak")
                return Seen(pi.mac, self.now)
            case "answer":
                pi.is_up = True
                return Answers(pi.mac, self.now)
            case "missed":
                return FellSilent(pi.mac, self.now)
            case _:
                self._die(pi)
                self._plan(self.random.uniform(*BOOT), pi, "speak")
                return None


def healthy(stacks: int, slots: int = 4) -> list[Pi]:
    """Return the Pis of a full rack."""
    return [
        Pi(f"b8:27:eb:00:{stack:02x}:{slot:02x}", stack)
        for stack in range(1, stacks + 1)
        for slot in range(1, slots + 1)
    ]


def no_fault(pis: list[Pi], random: Random) -> None:
    """All is well."""


def one_dead(pis: list[Pi], random: Random) -> None:
    """One Pi, anywhere, gives no sign of life."""
    random.choice(pis).is_dead = True


def one_slow(pis: list[Pi], random: Random) -> None:
    """One Pi takes longer than the time-out at every boot."""
    random.choice(pis).is_slow = True


def one_rebooting(pis: list[Pi], random: Random) -> None:
    """One Pi reboots once by itself."""
    random.choice(pis).reboots_at = random.uniform(*REBOOT)


def mix(pis: list[Pi], random: Random) -> None:
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
            pi.reboots_at = random.uniform(*REBOOT)


FAULTS = {
    "no fault": no_fault,
    "one dead": one_dead,
    "one slow": one_slow,
    "one reboots": one_rebooting,
    "mix": mix,
}
