"""Strategy `one-by-one`: switch on one stack at a time.

Rasps that send DHCP messages are in that stack, and need not reply to ping. Unlike the original
PiRack, the strategy switches each stack off before it switches the next stack on. A slow rasp is
therefore reported missing instead of being placed in the next stack.

A rasp that replies to ping or sends DHCP messages while only another stack has power too is in
neither stack: its relay is stuck, or it has its own power supply. If a stack seems to be empty, its
relay may be stuck. Stacks with rasps that do not reply to ping are then checked twice.
"""

from collections.abc import Mapping

from dhcp_installer.discovery.strategy import (
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
)
from rack.settings import InstallSettings


class SwitchOnEach(Strategy):
    """Strategy `one-by-one`. Takes one boot time for each stack."""

    def __init__(
        self,
        slot_counts: Mapping[int, int],
        settings: InstallSettings | None = None,
    ) -> None:
        super().__init__(slot_counts, settings)
        # Rasps that sent DHCP messages while only this stack had power, and rasps that replied.
        self._seen_in: dict[int, set[str]] = {stack: set() for stack in slot_counts}
        self._replied_in: dict[int, set[str]] = {stack: set() for stack in slot_counts}
        self._powered_stack: int | None = None
        self._on_at = 0.0  # time when the last stack was switched on
        self._off_at = 0.0  # time when the last stack was switched off
        self._probed: set[int] = set()

    def run(self) -> DiscoveryRun:
        """Run the strategy, see `Strategy.run`."""
        yield from self._switch_all_off()
        for stack in self._slot_counts:
            yield from self._probe(stack)
        for stack in sorted(self._uncertain_stacks()):  # the new result replaces the previous one
            yield from self._probe(stack)
        yield from self._switch_all_on()
        return self.result

    @property
    def stacks_done(self) -> int:
        """Number of stacks that were probed."""
        return len(self._probed)

    @property
    def seconds_left(self) -> float:
        """Estimated time at the average boot time so far, without conflicts."""
        done = len(self._probed)
        seconds_per_stack = self._now / done if done else self._settings.timeout_seconds
        return seconds_per_stack * (len(self._slot_counts) - done) + self._switch_all_on_seconds

    @property
    def result(self) -> DiscoveryResult:
        """The result so far."""
        conflicts = self._conflicts()
        stacks = {
            stack: frozenset(macs - conflicts.keys()) for stack, macs in self._seen_in.items()
        }
        placed = frozenset().union(*stacks.values())
        return DiscoveryResult(
            stacks,
            self._missing(stacks),
            conflicts,
            frozenset(self._seen_macs - placed - conflicts.keys()),
            frozenset(self._other_vendor_macs),
        )

    def _probe(self, stack: int) -> CommandStream:
        seen_here = self._seen_in[stack] = set()
        self._replied_in[stack] = set()
        seen_elsewhere = frozenset().union(*self._seen_in.values(), *self._replied_in.values())
        yield from self._send(PowerOn(stack))
        self._powered_stack, self._on_at = stack, self._now
        yield from self._wait(
            self._now + self._settings.timeout_seconds,
            lambda: len(seen_here - seen_elsewhere) >= self._slot_counts[stack],
        )
        yield from self._send(Sync(frozenset(seen_here)))
        yield from self._send(PowerOff(stack))
        self._powered_stack = None
        self._off_at = self._now
        yield from self._wait(self._off_at + self._settings.cut_seconds)
        yield from self._wait_for_log(self._off_at)
        self._probed.add(stack)

    def _handle(self, event: DiscoveryEvent) -> None:
        super()._handle(event)
        if self._powered_stack is None:
            return
        if isinstance(event, PingRound):
            if event.started_at >= self._on_at:
                self._replied_in[self._powered_stack] |= event.reachable & self._seen_macs
        elif (
            isinstance(event, DhcpActivity)
            and self._log_read_until >= self._off_at  # else the event may be late
            and event.mac in self._seen_macs
        ):
            self._seen_in[self._powered_stack].add(event.mac)

    def _uncertain_stacks(self) -> set[int]:
        """Return the stacks that contain conflicts, or rasps that may be in an empty stack."""
        conflicts = self._conflicts().keys()
        has_empty_stack = not all(macs - conflicts for macs in self._seen_in.values())
        replied = frozenset().union(*self._replied_in.values())
        return {
            stack
            for stack, macs in self._seen_in.items()
            if macs & conflicts or (has_empty_stack and macs - replied)
        }

    def _conflicts(self) -> dict[str, frozenset[int]]:
        detected = {
            stack: self._seen_in[stack] | self._replied_in[stack] for stack in self._seen_in
        }
        return {
            mac: stacks
            for mac in self._seen_macs
            if len(stacks := frozenset(s for s, macs in detected.items() if mac in macs)) > 1
        }
