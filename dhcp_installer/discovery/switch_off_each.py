"""Strategy `cut`: switch all outlets on, then cut the power of one after the other.

A rasp at the outlet becomes silent, stays silent until its power returns and it had time to boot,
and then sends a DHCP message before it replies again. A rasp that replies earlier is certainly not
at the outlet. A rasp that becomes silent may also have rebooted or missed pings by accident.
Outlets are therefore cut again until the evidence of all cuts leaves no doubt, see `placement`.

Many outlets of single slots are first cut in groups, the rows and the columns of a table. Between
both, all rasps boot.

Only complete ping rounds are evidence, not the time that passed. A cut lasts until there are enough
complete rounds. If these rounds do not complete in time, the cut is repeated later.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from dhcp_installer.discovery.cut_history import CutHistory
from dhcp_installer.discovery.groups import Group, rows_and_columns
from dhcp_installer.discovery.observations import MAX_ROUND_AGE, ROUNDS, Cut, Observations
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
    Strategy,
    Sync,
    WaitUntil,
)
from rack.layout import Outlet
from rack.settings import InstallSettings

_MAX_CUTS_PER_OUTLET = 6  # after these, uncertain rasps are reported
_MAX_LATE_CUTS_PER_OUTLET = 3
_REVIEW_SECONDS = 4.0  # between two evaluations of all evidence
_SHORTEST_BOOT_SECONDS = 3.0  # no Raspberry Pi boots faster
_BOOT_VARIATION = 0.5  # no boot takes less than this part of the shortest boot seen
_MIN_TIME_BETWEEN_CUTS = 1.0  # seconds in which a ping round is complete
_MAX_DELAY = 2.0  # seconds by which a sign of a rasp may be late


@dataclass(frozen=True, slots=True)
class _CutPlan:
    """The first cuts of all outlets. All rasps boot between `first` and `second`."""

    first: Sequence[Group]
    second: Sequence[Group] = ()

    @property
    def groups(self) -> Sequence[Group]:
        return [*self.first, *self.second]


class SwitchOffEach(Strategy):
    """Strategy `cut`. Rasps must reply to ping. Each rasp boots at least twice."""

    def __init__(
        self,
        rasp_counts: Mapping[Outlet, int],
        settings: InstallSettings | None = None,
    ) -> None:
        super().__init__(rasp_counts, settings)
        self._observations = Observations(self._settings.cut_seconds)
        self._switched_on_at = math.inf
        self._has_learned_boot_time = False
        self._cuts = CutHistory(rasp_counts, self._observations, self._settings.cut_seconds)
        self._cut_counts: Counter[Outlet] = Counter()
        self._late_cuts: Counter[Outlet] = Counter()
        self._late_cut_count = 0
        self._on_since: dict[Outlet, float] = {}
        self._slowest_boot = self._settings.timeout_seconds
        self._plan = self._plan_cuts(self._slowest_boot)
        self._boot_deadline = (
            self._settings.cut_seconds
            + self._switch_all_on_seconds
            + self._settings.timeout_seconds
        )

    def run(self) -> DiscoveryRun:
        """Run the strategy, see `Strategy.run`."""
        yield from self._switch_all_off()
        self._switched_on_at = self._now
        yield from self._switch_on(self._rasp_counts)
        rasp_count = sum(self._rasp_counts.values())
        self._boot_deadline = self._now + self._settings.timeout_seconds
        yield from self._wait(
            self._boot_deadline, lambda: len(self._observations.reachable) >= rasp_count
        )
        self._boot_deadline = self._now
        self._slowest_boot = self._observations.last_first_reply - self._switched_on_at
        self._plan = self._plan_cuts(self._slowest_boot - self._switch_all_on_seconds)
        yield from self._cut_groups(self._plan.first)
        if self._plan.second:
            yield from self._wait_for_boots()
            yield from self._cut_groups(self._plan.second)
        while (outlet := (yield from self._wait_for_outlet_to_cut())) is not None:
            yield from self._power_cycle((outlet,))
        return self.result

    @property
    def stacks_done(self) -> int:
        """Number of stacks that were cut."""
        done, groups = len(self._cuts), self._plan.groups
        if done < len(groups):
            return self._stack_count * done // len(groups)
        uncut = {outlet.stack for outlet in self._rasp_counts.keys() - self._cut_counts.keys()}
        return self._stack_count - len(uncut)

    @property
    def seconds_left(self) -> float:
        """Estimated time if no outlet is cut again."""
        remaining = max(0, len(self._plan.groups) - len(self._cuts))
        seconds = max(0.0, self._boot_deadline - self._now) + remaining * self._settings.cut_seconds
        return seconds + (self._slowest_boot if remaining >= len(self._plan.second) > 0 else 0.0)

    @property
    def result(self) -> DiscoveryResult:
        """The result so far."""
        placement = self._cuts.placement(self._now)
        conflicts = placement.conflicts
        return DiscoveryResult(
            placement.outlets,
            self._missing(placement.outlets),
            conflicts,
            frozenset(self._seen_macs - placement.placed - conflicts.keys()),
            frozenset(self._other_vendor_macs),
            self._late_cut_count,
            placement.slot_evidence,
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
        # Not from the command, because a slow PoE switch may take seconds to execute it.
        seconds = active_at - self._first_batch_on_at - _MAX_DELAY
        self._observations.shortest_boot = min(
            max(0.0, _BOOT_VARIATION * seconds), _SHORTEST_BOOT_SECONDS
        )

    def _plan_cuts(self, boot_seconds: float) -> _CutPlan:
        """Return the first cuts of all outlets, so that they take as little time as possible."""
        own = [outlet for outlet in self._rasp_counts if outlet.slot is not None]
        shared = [(outlet,) for outlet in self._rasp_counts if outlet.slot is None]
        rows, columns = rows_and_columns(own)
        saved_seconds = self._settings.cut_seconds * (len(own) - len(rows) - len(columns))
        if saved_seconds <= boot_seconds:
            return _CutPlan([(outlet,) for outlet in self._rasp_counts])
        return _CutPlan([*rows, *shared], columns)  # the rasps of the rows boot meanwhile

    def _cut_groups(self, groups: Sequence[Group]) -> CommandStream:
        yield from self._send(Sync(self._observations.reachable))
        for group in groups:
            yield from self._power_cycle(group, sum(self._rasp_counts[outlet] for outlet in group))

    def _wait_for_boots(self) -> CommandStream:
        """Wait until all rasps reply again, at most as long as the slowest rasp has booted."""
        observations = self._observations
        yield from self._wait(
            self._now + self._slowest_boot, lambda: observations.are_reachable(observations.macs)
        )

    def _power_cycle(self, outlets: Group, rasp_count: int | None = None) -> CommandStream:
        """Cut outlets for at least `cut_seconds`, and longer if more evidence is necessary.

        Less evidence is necessary if this number of rasps becomes silent.
        """
        observations, seconds = self._observations, self._settings.cut_seconds
        last_round_at = self._now - MAX_ROUND_AGE
        yield from self._wait_for_rounds(lambda: observations.rounds_since(last_round_at) > 0)
        commanded_at = self._now
        yield from self._send(PowerOff(outlets))
        off_at = self._now

        def has_enough_rounds() -> bool:
            if observations.rounds_since(off_at + seconds) >= ROUNDS:
                return True
            evidence = observations.evidence(Cut(outlets, commanded_at, off_at, self._now))
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
        is_late = self._cuts.add(Cut(outlets, commanded_at, off_at, self._now)).is_late
        self._late_cut_count += is_late
        (self._late_cuts if is_late else self._cut_counts).update(outlets)
        yield from self._switch_on(outlets)
        self._on_since |= dict.fromkeys(outlets, self._now)

    def _wait_for_rounds(self, done: Callable[[], bool]) -> CommandStream:
        """Wait until the complete ping rounds suffice, but not forever."""
        timeout = self._now + LATE_EVENTS_TIMEOUT
        while not done() and self._now < timeout:
            yield from self._send(WaitUntil(timeout))

    def _wait_for_outlet_to_cut(self) -> Generator[Command, DiscoveryEvent, Outlet | None]:
        """Wait until the rasps reply that the next cut may place. Return the outlet to cut."""
        observations = self._observations
        positions = {outlet: index for index, outlet in enumerate(self._rasp_counts)}
        while macs_by_outlet := self._macs_by_outlet_to_cut():
            outlet = max(
                macs_by_outlet,
                key=lambda o: (len(macs_by_outlet[o]), -self._cut_counts[o], -positions[o]),
            )
            reachable = macs_by_outlet[outlet] & observations.reachable
            if reachable and not any(
                self._may_reply_within(self._slowest_boot, mac, outlet)
                for mac in macs_by_outlet[outlet] - reachable
            ):
                yield from self._send(Sync(reachable))
                return outlet
            yield from self._wait(
                self._now + _REVIEW_SECONDS,
                lambda macs=macs_by_outlet[outlet]: observations.are_reachable(macs),  # type: ignore[misc]
            )
        return None

    def _may_reply_within(self, seconds: float, mac: str, outlet: Outlet) -> bool:
        """Return whether a rasp may still reply, if it boots within these seconds.

        A rasp that does not reply lost its power or rebooted when it last replied, or lost its
        power in the last cut of this outlet.
        """
        last_reply = self._observations.last_reply(mac) + self._settings.cut_seconds
        return self._now <= max(last_reply, self._on_since[outlet]) + seconds

    def _macs_by_outlet_to_cut(self) -> dict[Outlet, frozenset[str]]:
        """Return the outlets to cut again, and the rasps that the cut may place or exclude."""
        placement = self._cuts.placement(self._now)
        macs_by_outlet: defaultdict[Outlet, set[str]] = defaultdict(set)
        for mac in self._observations.macs - placement.placed:
            for outlet in placement.outlets_to_cut(mac):
                if (
                    self._cut_counts[outlet] < _MAX_CUTS_PER_OUTLET
                    and self._late_cuts[outlet] < _MAX_LATE_CUTS_PER_OUTLET
                    and self._may_reply_within(self._settings.timeout_seconds, mac, outlet)
                ):
                    macs_by_outlet[outlet].add(mac)
        return {outlet: frozenset(macs) for outlet, macs in macs_by_outlet.items()}
