"""Strategy `one-by-one`: switch on one outlet at a time.

Rasps that send DHCP messages are at that outlet, and need not reply to ping. Unlike the original
PiRack, the strategy switches each outlet off before it switches the next outlet on. A slow rasp is
therefore reported missing instead of being placed at the next outlet.

Many outlets of single slots are switched on in groups, first the rows and then the columns of a
table. A rasp is at the outlet that its row and its column have in common.

A rasp that replies to ping or sends DHCP messages while only other outlets supply power too is at
none of them: its outlet does not switch off, or it has its own power supply. If no rasp is found at
the outlets of a group, they may not switch. Groups with rasps that do not reply to ping are then
checked twice.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

from dhcp_installer.discovery.groups import Group, evidence_of_groups, rows_and_columns
from dhcp_installer.discovery.strategy import (
    CommandStream,
    DhcpActivity,
    DiscoveryEvent,
    DiscoveryResult,
    DiscoveryRun,
    PingRound,
    PowerOff,
    Strategy,
    Sync,
)
from rack.layout import Outlet
from rack.settings import InstallSettings


class SwitchOnEach(Strategy):
    """Strategy `one-by-one`. Takes one boot time for each outlet or group of outlets."""

    def __init__(
        self,
        rasp_counts: Mapping[Outlet, int],
        settings: InstallSettings | None = None,
    ) -> None:
        super().__init__(rasp_counts, settings)
        self._passes = _plan_passes(rasp_counts)
        groups = [group for groups in self._passes for group in groups]
        # Rasps that sent DHCP messages while only this group had power, and rasps that replied.
        self._seen_in: dict[Group, set[str]] = {group: set() for group in groups}
        self._replied_in: dict[Group, set[str]] = {group: set() for group in groups}
        self._powered_group: Group | None = None
        self._on_at = 0.0  # time when the last group was switched on
        self._off_at = 0.0  # time when the last group was switched off
        self._probed: set[Group] = set()

    def run(self) -> DiscoveryRun:
        """Run the strategy, see `Strategy.run`."""
        yield from self._switch_all_off()
        for groups in self._passes:
            for group in groups:
                yield from self._probe(group)
        for groups in self._passes:
            for group in self._uncertain_groups(groups):  # replaces the previous result
                yield from self._probe(group)
        yield from self._switch_on(self._rasp_counts)
        return self.result

    @property
    def stacks_done(self) -> int:
        """Number of stacks that were probed."""
        return self._stack_count * len(self._probed) // len(self._seen_in)

    @property
    def seconds_left(self) -> float:
        """Estimated time at the average boot time so far, without conflicts."""
        done = len(self._probed)
        seconds_per_group = self._now / done if done else self._settings.timeout_seconds
        return seconds_per_group * (len(self._seen_in) - done) + self._switch_all_on_seconds

    @property
    def result(self) -> DiscoveryResult:
        """The result so far."""
        detected = {mac: self._outlets_of(mac) for mac in self._seen_macs}
        outlets: dict[Outlet, set[str]] = {outlet: set() for outlet in self._rasp_counts}
        for mac, candidates in detected.items():
            if len(candidates) == 1 and self._is_certain(mac):
                outlets[next(iter(candidates))].add(mac)
        conflicts = {mac: found for mac, found in detected.items() if len(found) > 1}
        for outlet, macs in outlets.items():
            if outlet.slot is not None and len(macs) > 1:
                conflicts |= dict.fromkeys(macs, frozenset({outlet}))
        found = {outlet: frozenset(macs - conflicts.keys()) for outlet, macs in outlets.items()}
        placed = frozenset().union(*found.values())
        return DiscoveryResult(
            found,
            self._missing(found),
            conflicts,
            frozenset(self._seen_macs - placed - conflicts.keys()),
            frozenset(self._other_vendor_macs),
            slot_evidence={
                mac: evidence_of_groups(outlet, self._seen_in.keys())
                for outlet, macs in found.items()
                for mac in macs
                if outlet.slot is not None
            },
        )

    def _probe(self, group: Group) -> CommandStream:
        seen_here = self._seen_in[group] = set()
        self._replied_in[group] = set()
        groups = next(groups for groups in self._passes if group in groups)
        seen_elsewhere = frozenset().union(
            *(self._seen_in[other] | self._replied_in[other] for other in groups)
        )
        rasp_count = sum(self._rasp_counts[outlet] for outlet in group)
        # Events of rasps whose outlets are already on belong to this group, too.
        self._powered_group, self._on_at = group, self._now
        yield from self._switch_on(group)
        yield from self._wait(
            self._now + self._settings.timeout_seconds,
            lambda: len(seen_here - seen_elsewhere) >= rasp_count,
        )
        yield from self._send(Sync(frozenset(seen_here)))
        yield from self._send(PowerOff(group))
        self._powered_group = None
        self._off_at = self._now
        yield from self._wait(self._off_at + self._settings.cut_seconds)
        yield from self._wait_for_log(self._off_at)
        self._probed.add(group)

    def _handle(self, event: DiscoveryEvent) -> None:
        super()._handle(event)
        if self._powered_group is None:
            return
        if isinstance(event, PingRound):
            if event.started_at >= self._on_at:
                self._replied_in[self._powered_group] |= event.reachable & self._seen_macs
        elif (
            isinstance(event, DhcpActivity)
            and self._log_read_until >= self._off_at  # else the event may be late
            and event.mac in self._seen_macs
        ):
            self._seen_in[self._powered_group].add(event.mac)

    def _uncertain_groups(self, groups: Sequence[Group]) -> list[Group]:
        """Return the groups with conflicts, or with rasps that may be in an empty group."""
        conflicts = {
            mac
            for mac in self._seen_macs
            if len(self._detected_in(mac, groups)) > 1 or len(self._outlets_of(mac)) > 1
        }
        has_empty_group = not all(self._seen_in[group] - conflicts for group in groups)
        replied = frozenset().union(*self._replied_in.values())
        return [
            group
            for group in groups
            if self._seen_in[group] & conflicts
            or (has_empty_group and self._seen_in[group] - replied)
        ]

    def _detected_in(self, mac: str, groups: Sequence[Group]) -> list[Group]:
        return [
            group
            for group in groups
            if mac in self._seen_in[group] or mac in self._replied_in[group]
        ]

    def _outlets_of(self, mac: str) -> frozenset[Outlet]:
        """Return the outlets at which a rasp was detected, in each pass that contains them."""
        found = [self._detected_in(mac, groups) for groups in self._passes]
        first, *second = (frozenset(chain.from_iterable(groups)) for groups in found)
        if not second:
            return first
        (columns,) = second
        shared = frozenset(outlet for outlet in first if outlet.slot is None)
        rows = first - shared
        return (shared | rows | columns) if shared else rows & columns

    def _is_certain(self, mac: str) -> bool:
        """Return whether a rasp sent DHCP messages in one group of each pass and no other group."""
        found = [self._detected_in(mac, groups) for groups in self._passes]
        return all(len(groups) <= 1 for groups in found) and all(
            mac in self._seen_in[group] for groups in found for group in groups
        )


def _plan_passes(rasp_counts: Mapping[Outlet, int]) -> list[Sequence[Group]]:
    """Return the groups of each pass. The second pass has the columns, if they save time."""
    own = [outlet for outlet in rasp_counts if outlet.slot is not None]
    rows, columns = rows_and_columns(own)
    if len(rows) + len(columns) >= len(own):
        return [[(outlet,) for outlet in rasp_counts]]
    shared = [(outlet,) for outlet in rasp_counts if outlet.slot is None]
    return [[*shared, *rows], columns]
