"""The strategy `one-by-one`: one stack at a time has power, and who then speaks is in it.

The way of the first PiRack, except that a stack is off again before the next one gets power: a slow
rasp is then missing, where it used to be taken for one of the next stack's. It needs no pings.
"""

from collections.abc import Mapping

from dhcp_installer.discovery.strategy import (
    CommandStream,
    DhcpActivity,
    DiscoveryEvent,
    DiscoveryResult,
    DiscoveryRun,
    PowerOff,
    PowerOn,
    Strategy,
    Sync,
)
from rack.layout import InstallSettings


class SwitchOnEach(Strategy):
    """See the module. Needs a boot a rasp, and as many boot times as there are stacks."""

    def __init__(
        self,
        slot_counts: Mapping[int, int],
        settings: InstallSettings | None = None,
    ) -> None:
        super().__init__(slot_counts, settings)
        self._seen_in: dict[int, set[str]] = {stack: set() for stack in slot_counts}
        self._powered_stack: int | None = None
        self._probed: set[int] = set()

    def run(self) -> DiscoveryRun:
        """Discover; see `Strategy.run`."""
        yield from self._switch_all_off()
        for stack in self._slot_counts:
            yield from self._probe(stack)
        # Who was seen in two stacks is looked for once more in each of them, and what was seen
        # before no longer counts.
        for stack in sorted({stack for stacks in self._conflicts().values() for stack in stacks}):
            yield from self._probe(stack)
        yield from self._switch_all_on()
        return self.result

    @property
    def stacks_done(self) -> int:
        """How many stacks had power."""
        return len(self._probed)

    @property
    def seconds_left(self) -> float:
        """For how long it will go on if all boot as those until now, and none is seen twice."""
        done = len(self._probed)
        one = self._now / done if done else self._settings.timeout_seconds
        return one * (len(self._slot_counts) - done) + self._switch_all_on_seconds

    @property
    def result(self) -> DiscoveryResult:
        """What is known so far."""
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
        here = self._seen_in[stack] = set()
        elsewhere = frozenset().union(*self._seen_in.values())
        yield from self._send(PowerOn(stack))
        self._powered_stack = stack
        yield from self._wait(
            self._now + self._settings.timeout_seconds,
            lambda: len(here - elsewhere) >= self._slot_counts[stack],
        )
        yield from self._send(Sync(frozenset(here)))
        yield from self._send(PowerOff(stack))
        self._powered_stack = None  # a late line of the log is no sign of who has power now
        yield from self._wait(self._now + self._settings.cut_seconds)
        self._probed.add(stack)

    def _handle(self, event: DiscoveryEvent) -> None:
        super()._handle(event)
        if (
            isinstance(event, DhcpActivity)
            and self._powered_stack is not None
            and event.mac in self._seen_macs
        ):
            self._seen_in[self._powered_stack].add(event.mac)

    def _conflicts(self) -> dict[str, frozenset[int]]:
        return {
            mac: stacks
            for mac in self._seen_macs
            if len(stacks := frozenset(s for s, macs in self._seen_in.items() if mac in macs)) > 1
        }
