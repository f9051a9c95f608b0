"""The strategy `one-by-one`: one stack at a time has power, and who then speaks is in it.

The way of the first PiRack, except that a stack is off again before the next one gets power: a slow
rasp is then missing, where it used to be taken for one of the next stack's. It needs no pings.
"""

from collections.abc import Mapping

from dhcp_installer.discovery import (
    Discovery,
    Event,
    Findings,
    PowerOff,
    PowerOn,
    Seen,
    Steps,
    Strategy,
    Sync,
)
from rack.layout import InstallRules


class OneByOne(Strategy):
    """See the module. Needs a boot a rasp, and as many boot times as there are stacks."""

    def __init__(
        self,
        slots: Mapping[int, int],
        rules: InstallRules | None = None,
    ) -> None:
        super().__init__(slots, rules)
        self._seen_in: dict[int, set[str]] = {stack: set() for stack in slots}
        self._powered: int | None = None
        self._looked_at: set[int] = set()

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
    def stacks_done(self) -> int:
        """How many stacks had power."""
        return len(self._looked_at)

    @property
    def seconds_left(self) -> float:
        """For how long it will go on if all boot as those until now, and none is seen twice."""
        done = len(self._looked_at)
        one = self._now / done if done else self._rules.timeout_seconds
        return one * (len(self._slots) - done) + self._all_on_seconds

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
            self._now + self._rules.timeout_seconds,
            lambda: len(here - elsewhere) >= self._slots[stack],
        )
        yield from self._do(Sync(frozenset(here)))
        yield from self._do(PowerOff(stack))
        self._powered = None  # a late line of the log is no sign of who has power now
        yield from self._wait(self._now + self._rules.cut_seconds)
        self._looked_at.add(stack)

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
