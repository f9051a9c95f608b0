"""The strategy of the first PiRack, as the peer that ours are measured beside."""

from dhcp_installer.discovery.strategy import DiscoveryResult, DiscoveryRun, PowerOn, Strategy


class OriginalStrategy(Strategy):
    """Stacks get power one by one and keep it; who is new is taken to be in the last one."""

    def run(self) -> DiscoveryRun:
        """Discover; see `Strategy.run`."""
        self._found = {stack: frozenset[str]() for stack in self._slot_counts}
        yield from self._switch_all_off()
        for stack, slots in self._slot_counts.items():
            enough = len(self._seen_macs) + slots
            before = frozenset(self._seen_macs)
            yield from self._send(PowerOn(stack))
            yield from self._wait(
                self._now + self._settings.timeout_seconds,
                lambda enough=enough: len(self._seen_macs) >= enough,  # type: ignore[misc]
            )
            self._found[stack] = frozenset(self._seen_macs - before)
        return self.result

    @property
    def stacks_done(self) -> int:
        """How many stacks got power."""
        return len(self._found)

    @property
    def seconds_left(self) -> float:
        """As far as it could tell, at worst."""
        return self._settings.timeout_seconds * (len(self._slot_counts) - self.stacks_done)

    @property
    def result(self) -> DiscoveryResult:
        """What is known so far."""
        return DiscoveryResult(self._found, self._missing(self._found))
