"""A rack with power, boots and faults in simulated time."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from random import Random

from dhcp_installer.discovery.strategy import (
    Command,
    DhcpActivity,
    DiscoveryEvent,
    DiscoveryResult,
    PingRound,
    PowerOff,
    PowerOn,
    Strategy,
    Tick,
    WaitUntil,
)
from rack.layout import Outlet
from tests.dhcp_installer.outlets import slot_outlet, stack_outlet

BOOT_SECONDS = (25.0, 45.0)  # from power on to the first DHCP message
SLOW_BOOT_SECONDS = (95.0, 150.0)  # longer than the timeout of 90 s
FIRST_REPLY_SECONDS = (0.2, 1.0)  # from the first DHCP message to the first ping reply
HOLD_UP_SECONDS = (0.3, 1.3)  # from a cut to the first missed ping
PING_INTERVAL = 0.25
LONG_PING_INTERVAL = 1.0  # for strategies that ignore pings, to save time
STALL_SECONDS = (0.5, 60.0)
REBOOT_AFTER_SECONDS = (0.0, 200.0)  # from the first DHCP message to a spontaneous reboot
SLOW_BOOT_PROBABILITY = 1 / 3  # of rasps that are sometimes slow
FLAP_INTERVAL = (5.0, 60.0)  # from a reply to the next loss of all pings
FLAP_SECONDS = (0.5, 6.0)
LOOP_SECONDS = (5.0, 60.0)  # from the first DHCP message to the next reboot in a boot loop
_NO_MACS: frozenset[str] = frozenset()
_UNCANCELLED = frozenset({"miss_ping", "read_dhcp", "flap", "end_flap"})


@dataclass
class SimulatedPi:
    """A rasp at an outlet. Without an outlet, it has its own power supply."""

    mac: str
    outlet: Outlet | None
    is_dead: bool = False
    is_slow: bool = False
    is_sometimes_slow: bool = False
    ignores_pings: bool = False
    renewal_interval: float | None = None  # seconds between DHCP messages
    reboot_after: float | None = None  # seconds after its first DHCP message
    loops: bool = False  # reboots again and again
    flaps: bool = False  # loses all pings now and then
    has_stranger: bool = False  # another host replies at its address
    power_generation: int = 0  # increased by each power change, which cancels scheduled events
    hold_up_end: float = 0.0  # time until which it has power after a cut
    is_up: bool = False
    has_sent_dhcp: bool = False
    is_flapping: bool = False


@dataclass
class SimulatedRack:
    """Simulated rasps, relays and time."""

    pis: list[SimulatedPi]
    random: Random
    stuck_outlets: frozenset[Outlet] = frozenset()  # that never switch off
    link_delay: float = 0.0  # seconds until a switch forwards a new link
    ping_interval: float = PING_INTERVAL
    boot_seconds: tuple[float, float] = BOOT_SECONDS
    hold_up_seconds: tuple[float, float] = HOLD_UP_SECONDS
    ping_stall_probability: float = 0.0  # per ping round, for `STALL_SECONDS`
    log_stall_probability: float = 0.0  # per ping round, for `STALL_SECONDS`
    outage_probability: float = 0.0  # per ping round: all pings are lost for `FLAP_SECONDS`
    stalled_commands: frozenset[int] = frozenset()  # pings stall after the nth command
    now: float = 0.0
    commands: list[tuple[float, Command]] = field(default_factory=list)
    power: dict[Outlet, bool] = field(default_factory=dict)
    switching_seconds: float = 0.0  # for each outlet of a command

    def __post_init__(self) -> None:
        self._scheduled: list[tuple[float, int, SimulatedPi, int, str]] = []
        self._number = count()
        self._late_events: deque[DiscoveryEvent] = deque()
        self._replying: frozenset[str] = frozenset()  # with a known address
        self._known_macs: set[str] = set()
        self._log_blocked_since = 0.0
        self._log_blocked_until = 0.0
        self._outage_until = 0.0
        self._start_ping_round()
        self._by_outlet: defaultdict[Outlet | None, list[SimulatedPi]] = defaultdict(list)
        for pi in self.pis:
            self._by_outlet[pi.outlet].append(pi)
        for pi in self._by_outlet[None]:
            self._boot(pi)

    @property
    def actual_outlets(self) -> Mapping[str, Outlet | None]:
        """Outlet of each rasp."""
        return {pi.mac: pi.outlet for pi in self.pis}

    def misplaced(self, result: DiscoveryResult) -> list[tuple[str, str]]:
        """Return the MAC addresses of rasps that were found at a wrong outlet, and its name."""
        return [
            (mac, outlet.name)
            for outlet, macs in result.outlets.items()
            for mac in macs
            if self.actual_outlets[mac] != outlet
        ]

    def discover(self, strategy: Strategy) -> DiscoveryResult:
        """Run a strategy and return its result."""
        discovery = strategy.run()
        command = next(discovery)
        while True:
            event = self._execute(command)
            try:
                command = discovery.send(event)
            except StopIteration as stop:
                result: DiscoveryResult = stop.value
                return result

    def _execute(self, command: Command) -> DiscoveryEvent:
        match command:
            case WaitUntil(time):
                if self._late_events:
                    return replace(self._late_events.popleft(), time=self.now)
                return self._next_event(time)
            case PowerOn(outlets) | PowerOff(outlets):
                self.commands.append((self.now, command))
                if len(self.commands) in self.stalled_commands:
                    self._round_end += max(STALL_SECONDS)
                for outlet in outlets:
                    self._advance(self.switching_seconds)
                    self._switch(
                        outlet, is_on=isinstance(command, PowerOn) or outlet in self.stuck_outlets
                    )
        return Tick(self.now)

    def _advance(self, seconds: float) -> None:
        """Let time pass while a command is executed. The strategy receives its events later."""
        end = self.now + seconds
        while self.now < end:
            self._late_events.append(self._next_event(end))

    def _switch(self, outlet: Outlet, *, is_on: bool) -> None:
        if self.power.get(outlet, False) == is_on:
            return
        self.power[outlet] = is_on
        for pi in self._by_outlet[outlet]:
            if not is_on:
                self._lose_power(pi)
            elif self.now < pi.hold_up_end:
                pi.is_up = True  # its power was not interrupted
            else:
                self._boot(pi)

    def _boot(self, pi: SimulatedPi) -> None:
        pi.power_generation += 1
        if pi.is_dead:
            return
        is_slow = pi.is_slow or (
            pi.is_sometimes_slow and self.random.random() < SLOW_BOOT_PROBABILITY
        )
        boot = self.random.uniform(*(SLOW_BOOT_SECONDS if is_slow else self.boot_seconds))
        self._schedule(boot + self.link_delay, pi, "boot")

    def _lose_power(self, pi: SimulatedPi) -> None:
        pi.power_generation += 1
        if pi.is_up:
            pi.is_up = False
            hold_up = self.random.uniform(*self.hold_up_seconds)
            pi.hold_up_end = self.now + hold_up
            self._schedule(hold_up, pi, "miss_ping")

    def _schedule(self, seconds: float, pi: SimulatedPi, action: str) -> None:
        heappush(
            self._scheduled,
            (self.now + seconds, next(self._number), pi, pi.power_generation, action),
        )

    def _next_event(self, until: float) -> DiscoveryEvent:
        while self._scheduled and self._scheduled[0][0] < until:
            if self._round_end <= self._scheduled[0][0]:
                return self._finish_ping_round()
            self.now, _, pi, generation, action = heappop(self._scheduled)
            if (generation == pi.power_generation or action in _UNCANCELLED) and (
                event := self._apply(pi, action)
            ):
                return event
        if self._round_end < until:
            return self._finish_ping_round()
        self.now = until
        return Tick(until)

    def _start_ping_round(self) -> None:
        self._round_started_at = self.now
        self._round_end = self.now + self.ping_interval + self._stall(self.ping_stall_probability)
        if self.now >= self._log_blocked_until:
            self._log_blocked_since = self.now
            self._log_blocked_until = self.now + self._stall(self.log_stall_probability)
        self._round_log_read_until = self._log_blocked_since
        if self.outage_probability and self.random.random() < self.outage_probability:
            self._outage_until = self.now + self.random.uniform(*FLAP_SECONDS)
        is_outage = self.now < self._outage_until
        self._round_replies = _NO_MACS if is_outage else self._replying

    def _stall(self, probability: float) -> float:
        if probability and self.random.random() < probability:
            return self.random.uniform(*STALL_SECONDS)
        return 0.0

    def _finish_ping_round(self) -> PingRound:
        self.now = self._round_end
        ping_round = PingRound(
            self._round_started_at, self._round_log_read_until, self._round_replies, self.now
        )
        self._start_ping_round()
        return ping_round

    def _apply(self, pi: SimulatedPi, action: str) -> DiscoveryEvent | None:
        match action:
            case "boot" | "renew":
                self._send_dhcp(pi, is_boot=action == "boot")
                if self.now >= self._log_blocked_until:
                    return self._apply(pi, "read_dhcp")
                self._schedule(self._log_blocked_until - self.now, pi, "read_dhcp")
            case "read_dhcp":
                self._known_macs.add(pi.mac)
                self._update_replying(pi)
                return DhcpActivity(pi.mac, self.now)
            case "reply":
                pi.is_up = True
                self._update_replying(pi)
            case "miss_ping":
                self._update_replying(pi)
            case "reboot":
                self._lose_power(pi)
                self._schedule(self.random.uniform(*self.boot_seconds), pi, "boot")
            case "flap":
                pi.is_flapping = True
                self._update_replying(pi)
                self._schedule(self.random.uniform(*FLAP_SECONDS), pi, "end_flap")
            case "end_flap":
                pi.is_flapping = False
                self._update_replying(pi)
                self._schedule(self.random.uniform(*FLAP_INTERVAL), pi, "flap")
        return None

    def _send_dhcp(self, pi: SimulatedPi, *, is_boot: bool) -> None:
        if is_boot and not pi.ignores_pings:
            self._schedule(self.random.uniform(*FIRST_REPLY_SECONDS), pi, "reply")
        if is_boot and pi.loops:
            self._schedule(self.random.uniform(*LOOP_SECONDS), pi, "reboot")
        if not pi.has_sent_dhcp:
            if pi.reboot_after is not None:
                self._schedule(pi.reboot_after, pi, "reboot")
            if pi.flaps:
                self._schedule(self.random.uniform(*FLAP_INTERVAL), pi, "flap")
        pi.has_sent_dhcp = True
        if pi.renewal_interval:
            self._schedule(pi.renewal_interval, pi, "renew")

    def _update_replying(self, pi: SimulatedPi) -> None:
        is_replying = (
            (pi.is_up or pi.has_stranger) and not pi.is_flapping and pi.mac in self._known_macs
        )
        if is_replying != (pi.mac in self._replying):
            self._replying ^= {pi.mac}


def healthy_pis(stacks: int, slots: int = 4, *, own: bool = False) -> list[SimulatedPi]:
    """Return the rasps of a full rack, with their own outlets or an outlet for each stack."""
    return [
        SimulatedPi(
            f"b8:27:eb:00:{stack:02x}:{slot:02x}",
            slot_outlet(stack, slot) if own else stack_outlet(stack),
        )
        for stack in range(1, stacks + 1)
        for slot in range(1, slots + 1)
    ]


def no_fault(pis: list[SimulatedPi], random: Random) -> None:
    """Change nothing."""


def one_dead(pis: list[SimulatedPi], random: Random) -> None:
    """Make one rasp dead."""
    random.choice(pis).is_dead = True


def one_slow(pis: list[SimulatedPi], random: Random) -> None:
    """Make one rasp boot slower than the timeout, every time."""
    random.choice(pis).is_slow = True


def one_rebooting(pis: list[SimulatedPi], random: Random) -> None:
    """Make one rasp reboot once."""
    random.choice(pis).reboot_after = random.uniform(*REBOOT_AFTER_SECONDS)


def one_flapping(pis: list[SimulatedPi], random: Random) -> None:
    """Make one rasp lose all pings now and then."""
    random.choice(pis).flaps = True


def one_looping(pis: list[SimulatedPi], random: Random) -> None:
    """Make one rasp reboot again and again."""
    random.choice(pis).loops = True


def one_stranger(pis: list[SimulatedPi], random: Random) -> None:
    """Make another host reply at the address of one rasp."""
    random.choice(pis).has_stranger = True


def mixed_faults(pis: list[SimulatedPi], random: Random) -> None:
    """Make 2% of the rasps dead, 1% slow and 2% sometimes slow, and make 2% reboot once."""
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
    "one flaps": one_flapping,
    "one loops": one_looping,
    "one stranger": one_stranger,
}
