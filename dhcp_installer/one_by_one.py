"""The strategy `one-by-one`: one stack at a time has power, and who then speaks is in it.

The way of the first PiRack, except that a stack is off again before the next one gets power: a slow
rasp is then missing, where it used to be taken for one of the next stack's. It needs no pings.
"""

from collections.abc import Collection, Mapping

from dhcp_installer.discovery import (
    PI_PREFIXES,
    Discovery,
    Event,
    Findings,
    PowerOff,
    PowerOn,
    Seen,
    Steps,
    Strategy,
    Sync,
    Timing,
)


class OneByOne(Strategy):
    """See the module. Needs a boot a rasp, and as many boot times as there are stacks."""

    def __init__(
        self,
        slots: Mapping[int, int],
        timing: Timing | None = None,
        prefixes: Collection[str] = PI_PREFIXES,
    ) -> None:
        super().__init__(slots, timing, prefixes)
        self._seen_in: dict[int, set[str]] = {stack: set() for stack in slots}
        self._powered: int | None = None

    def run(self) -> Discovery:
        """Discover; see `Strategy.run`."""
        yield from self._all_off()
        for stack in self._slots:
            yield from self._look_at(stack)
        # Who was seen in two stacks is looked for once more in each of them, and what was seen
        # before no longer counts.
        for stack in sorted({stack for stacks in self._conflicts().values() for stack in stacks}):
            yield from self._look_at(stack)
        yield from self._all_on()
        return self.findings

    @property
    def findings(self) -> Findings:
        """What is known so far."""
        conflicts = self._conflicts()
        stacks = {
            stack: frozenset(macs - conflicts.keys()) for stack, macs in self._seen_in.items()
        }
        placed = frozenset().union(*stacks.values())
        return Findings(
            stacks,
            self._missing(stacks),
            conflicts,
            frozenset(self._seen - placed - conflicts.keys()),
            frozenset(self._strangers),
        )

    def _look_at(self, stack: int) -> Steps:
        here = self._seen_in[stack] = set()
        elsewhere = frozenset().union(*self._seen_in.values())
        yield from self._do(PowerOn(stack))
        self._powered = stack
        yield from self._wait(
            self._now + self._timing.timeout,
            lambda: len(here - elsewhere) >= self._slots[stack],
        )
        yield from self._do(Sync(frozenset(here)))
        yield from self._do(PowerOff(stack))
        self._powered = None  # a late line of the log is no sign of who has power now
        yield from self._wait(self._now + self._timing.cut)

    def _hear(self, event: Event) -> None:
        super()._hear(event)
        if isinstance(event, Seen) and self._powered is not None and event.mac in self._seen:
            self._seen_in[self._powered].add(event.mac)

    def _conflicts(self) -> dict[str, frozenset[int]]:
        return {
            mac: stacks
            for mac in self._seen
            if len(stacks := frozenset(s for s, macs in self._seen_in.items() if mac in macs)) > 1
        }
