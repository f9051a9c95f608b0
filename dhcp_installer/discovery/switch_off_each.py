"""Strategy `cut`: switch all stacks on, then cut the power of one stack at a time.

A rasp of the stack becomes silent, stays silent until its power returns and it had time to boot,
and then sends a DHCP message before it replies again. A rasp that replies earlier is certainly not
in the stack. A rasp that becomes silent may also have rebooted or missed pings by accident. Stacks
are therefore cut again until the evidence of all cuts leaves no doubt, see `placement`.

Only complete ping rounds are evidence, not the time that passed. A cut lasts until there are enough
complete rounds. If these rounds do not complete in time, the cut is repeated later.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace

from dhcp_installer.discovery.observations import (
    MAX_ROUND_AGE,
    ROUNDS,
    Cut,
    CutEvidence,
    Observations,
)
from dhcp_installer.discovery.placement import Placement, RaspEvidence
from dhcp_installer.discovery.strategy import (
    LATE_EVENTS_TIMEOUT,
    Command,
    CommandStream,
    DhcpActivity,
    DiscoveryEvent,
    DiscoveryResult,
    DiscoveryRun,
    PingRound,
    PowerOff,
    PowerOn,
    Strategy,
    Sync,
    WaitUntil,
)
from rack.settings import InstallSettings

_MAX_CUTS_PER_STACK = 6  # after these, uncertain rasps are reported
_MAX_LATE_CUTS_PER_STACK = 3
_REVIEW_SECONDS = 4.0  # between two evaluations of all evidence
_SHORTEST_BOOT_SECONDS = 3.0  # no Raspberry Pi boots faster
_BOOT_VARIATION = 0.5  # no boot takes less than this part of the shortest boot seen
_MIN_TIME_BETWEEN_CUTS = 1.0  # seconds in which a ping round is complete
_MAX_DELAY = 2.0  # seconds by which a sign of a rasp may be late
_ACCIDENT_MARGIN = 1.0  # seconds from the last ping before a cut to the cut


class SwitchOffEach(Strategy):
    """Strategy `cut`. Rasps must reply to ping. Each rasp boots at least twice."""

    def __init__(
        self,
        slot_counts: Mapping[int, int],
        settings: InstallSettings | None = None,
    ) -> None:
        super().__init__(slot_counts, settings)
        self._observations = Observations(self._settings.cut_seconds)
        self._switched_on_at = math.inf
        self._has_learned_boot_time = False
        self._cuts: list[Cut] = []
        self._final_evidence: list[CutEvidence] = []  # of the first cuts
        self._excluded: defaultdict[str, set[int]] = defaultdict(set)  # by final evidence
        self._rebooted: dict[tuple[str, int], bool] = {}  # keyed by rasp and index of the cut
        self._cut_counts: Counter[int] = Counter()
        self._late_cuts: Counter[int] = Counter()
        self._on_since: dict[int, float] = {}
        self._slowest_boot = self._settings.timeout_seconds
        self._boot_deadline = (
            self._settings.cut_seconds
            + self._switch_all_on_seconds
            + self._settings.timeout_seconds
        )

    def run(self) -> DiscoveryRun:
        """Run the strategy, see `Strategy.run`."""
        yield from self._switch_all_off()
        self._switched_on_at = self._now
        yield from self._switch_all_on()
        rasp_count = sum(self._slot_counts.values())
        self._boot_deadline = self._now + self._settings.timeout_seconds
        yield from self._wait(
            self._boot_deadline, lambda: len(self._observations.reachable) >= rasp_count
        )
        self._boot_deadline = self._now
        self._slowest_boot = self._observations.last_first_reply - self._switched_on_at
        yield from self._send(Sync(self._observations.reachable))
        for stack, count in self._slot_counts.items():
            yield from self._power_cycle(stack, count)
        while (next_stack := (yield from self._wait_for_stack_to_cut())) is not None:
            yield from self._power_cycle(next_stack)
        return self.result

    @property
    def stacks_done(self) -> int:
        """Number of stacks that were cut."""
        return len(self._cut_counts)

    @property
    def seconds_left(self) -> float:
        """Estimated time if no stack is cut again."""
        remaining = len(self._slot_counts) - len(self._cut_counts)
        return max(0.0, self._boot_deadline - self._now) + remaining * self._settings.cut_seconds

    @property
    def result(self) -> DiscoveryResult:
        """The result so far."""
        placement = self._placement()
        conflicts = placement.conflicts
        return DiscoveryResult(
            placement.stacks,
            self._missing(placement.stacks),
            conflicts,
            frozenset(self._seen_macs - placement.placed - conflicts.keys()),
            frozenset(self._other_vendor_macs),
            self._late_cuts.total(),
        )

    def _handle(self, event: DiscoveryEvent) -> None:
        super()._handle(event)
        if isinstance(event, PingRound):
            if event.started_at >= self._switched_on_at:
                self._add_round(event)
        elif isinstance(event, DhcpActivity) and event.mac in self._seen_macs:
            self._observations.add_dhcp_message(event.mac, event.time)
            self._learn_boot_time(event.time)

    def _add_round(self, ping_round: PingRound) -> None:
        if not self._other_vendor_macs.isdisjoint(ping_round.reachable):
            reachable = ping_round.reachable - self._other_vendor_macs
            ping_round = replace(ping_round, reachable=reachable)
        self._observations.add_round(ping_round)
        if ping_round.reachable:
            self._learn_boot_time(ping_round.time)

    def _learn_boot_time(self, active_at: float) -> None:
        """Learn from the first sign of a rasp how soon a rasp may reply when its power returns."""
        if self._has_learned_boot_time or active_at <= self._switched_on_at:
            return
        self._has_learned_boot_time = True
        seconds = active_at - self._switched_on_at - _MAX_DELAY
        self._observations.shortest_boot = min(
            max(0.0, _BOOT_VARIATION * seconds), _SHORTEST_BOOT_SECONDS
        )

    def _power_cycle(self, stack: int, rasp_count: int | None = None) -> CommandStream:
        """Cut a stack for at least `cut_seconds`, and longer if more evidence is necessary.

        Less evidence is necessary if this number of rasps becomes silent.
        """
        observations, seconds = self._observations, self._settings.cut_seconds
        last_round_at = self._now - MAX_ROUND_AGE
        yield from self._wait_for_rounds(lambda: observations.rounds_since(last_round_at) > 0)
        commanded_at = self._now
        yield from self._send(PowerOff(stack))
        off_at = self._now

        def has_enough_rounds() -> bool:
            if observations.rounds_since(off_at + seconds) >= ROUNDS:
                return True
            evidence = observations.evidence(Cut(stack, commanded_at, off_at, self._now))
            if evidence.is_late or len(evidence.silent) != rasp_count:
                return False
            # Other rasps must reply between this cut and the next cut, to be excluded.
            has_time_between = (
                observations.shortest_boot >= _MIN_TIME_BETWEEN_CUTS
                and evidence.silent <= observations.replied_since(off_at)  # with power in store
            )
            return has_time_between or observations.rounds_since(off_at + seconds) > 0

        yield from self._wait(off_at + seconds)
        yield from self._wait_for_rounds(has_enough_rounds)
        cut = Cut(stack, commanded_at, off_at, self._now)
        is_late = observations.evidence(cut).is_late
        (self._late_cuts if is_late else self._cut_counts)[stack] += 1
        self._cuts.append(cut)
        yield from self._send(PowerOn(stack))
        self._on_since[stack] = self._now

    def _wait_for_rounds(self, done: Callable[[], bool]) -> CommandStream:
        """Wait until the complete ping rounds suffice, but not forever."""
        timeout = self._now + LATE_EVENTS_TIMEOUT
        while not done() and self._now < timeout:
            yield from self._send(WaitUntil(timeout))

    def _wait_for_stack_to_cut(self) -> Generator[Command, DiscoveryEvent, int | None]:
        """Wait until the rasps reply that the next cut may place. Return the stack to cut."""
        observations = self._observations
        while macs_by_stack := self._macs_by_stack_to_cut():
            stack = max(
                macs_by_stack, key=lambda s: (len(macs_by_stack[s]), -self._cut_counts[s], -s)
            )
            reachable = macs_by_stack[stack] & observations.reachable
            if reachable and not any(
                self._may_reply_within(self._slowest_boot, mac, stack)
                for mac in macs_by_stack[stack] - reachable
            ):
                yield from self._send(Sync(reachable))
                return stack
            yield from self._wait(
                self._now + _REVIEW_SECONDS,
                lambda macs=macs_by_stack[stack]: observations.are_reachable(macs),  # type: ignore[misc]
            )
        return None

    def _may_reply_within(self, seconds: float, mac: str, stack: int) -> bool:
        """Return whether a rasp may still reply, if it boots within these seconds.

        A rasp that does not reply lost its power or rebooted when it last replied, or lost its
        power in the last cut of this stack.
        """
        last_reply = self._observations.last_reply(mac) + self._settings.cut_seconds
        return self._now <= max(last_reply, self._on_since[stack]) + seconds

    def _macs_by_stack_to_cut(self) -> dict[int, frozenset[str]]:
        """Return the stacks to cut again, and the rasps that the cut may place or exclude."""
        placement = self._placement()
        macs_by_stack: defaultdict[int, set[str]] = defaultdict(set)
        for mac in self._observations.macs - placement.placed:
            for stack in placement.stacks_to_cut(mac):
                if (
                    self._cut_counts[stack] < _MAX_CUTS_PER_STACK
                    and self._late_cuts[stack] < _MAX_LATE_CUTS_PER_STACK
                    and self._may_reply_within(self._settings.timeout_seconds, mac, stack)
                ):
                    macs_by_stack[stack].add(mac)
        return {stack: frozenset(macs) for stack, macs in macs_by_stack.items()}

    def _placement(self) -> Placement:
        """Return where the rasps are, according to all cuts so far."""
        observations = self._observations
        accident_seconds = self._settings.cut_seconds + _ACCIDENT_MARGIN
        evidence = [self._evidence(index) for index in range(len(self._cuts))]
        rasps = {
            mac: RaspEvidence(
                accident_seconds,
                observations.seconds_observed(mac, self._now),
                observations.silence_count(mac),
                self._excluded[mac].copy(),
            )
            for mac in observations.macs
        }
        for index, cut in enumerate(self._cuts):
            if index >= len(self._final_evidence):
                for mac in evidence[index].excluded & rasps.keys():
                    rasps[mac].excluded.add(cut.stack)
            for mac in evidence[index].silent:
                rasps[mac].add_silence(cut.stack, self._has_rebooted(mac, index))
        return Placement(self._slot_counts, rasps)

    def _evidence(self, index: int) -> CutEvidence:
        """Return the evidence of a cut. It is final when rasps of the stack may have booted."""
        if index < len(self._final_evidence):
            return self._final_evidence[index]
        cut, observations = self._cuts[index], self._observations
        evidence = observations.evidence(cut)
        if index == len(self._final_evidence) and observations.is_final(cut):
            self._final_evidence.append(evidence)
            for mac in evidence.excluded:
                self._excluded[mac].add(cut.stack)
        return evidence

    def _has_rebooted(self, mac: str, index: int) -> bool | None:
        """Return whether a rasp that became silent in a cut rebooted, None if still unknown."""
        key = mac, index
        if key not in self._rebooted:
            has_rebooted = self._observations.has_rebooted(mac, self._cuts[index])
            if has_rebooted is None:
                return None
            self._rebooted[key] = has_rebooted
        return self._rebooted[key]
