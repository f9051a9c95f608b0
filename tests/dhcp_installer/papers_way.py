"""The strategy of the first PiRack, as the peer that ours are measured beside."""

from dhcp_installer.discovery import Discovery, Findings, PowerOn, Strategy


class PapersWay(Strategy):
    """Stacks get power one by one and keep it; who is new is taken to be in the last one."""

    def run(self) -> Discovery:
        """Discover; see `Strategy.run`."""
        self._found = {stack: frozenset[str]() for stack in self._slots}
        yield from self._all_off()
        for stack, slots in self._slots.items():
            enough = len(self._seen) + slots
            before = frozenset(self._seen)
            yield from self._do(PowerOn(stack))
            yield from self._wait(
                self._now + self._rules.timeout_seconds,
                lambda enough=enough: len(self._seen) >= enough,  # type: ignore[misc]
            )
            self._found[stack] = frozenset(self._seen - before)
        return self.findings

    @property
    def stacks_done(self) -> int:
        """How many stacks got power."""
        return len(self._found)

    @property
    def seconds_left(self) -> float:
        """As far as it could tell, at worst."""
        return self._rules.timeout_seconds * (len(self._slots) - self.stacks_done)

    @property
    def findings(self) -> Findings:
        """What is known so far."""
        return Findings(self._found, self._missing(self._found))
