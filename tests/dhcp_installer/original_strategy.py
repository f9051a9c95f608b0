"""The strategy of the first PiRack, for comparison."""

from dhcp_installer.discovery.strategy import (
    CommandStream,
    DiscoveryResult,
    DiscoveryRun,
    PowerOn,
    Strategy,
)


class OriginalStrategy(Strategy):
    """Switches on one stack after the other. New rasps are placed in the last one."""

    def run(self) -> DiscoveryRun:
        """Run the strategy, see `Strategy.run`."""
        self._found = {outlet: frozenset[str]() for outlet in self._rasp_counts}
        yield from self._switch_all_off()
        for outlet, count in self._rasp_counts.items():
            expected_count = len(self._seen_macs) + count
            previous = frozenset(self._seen_macs)
            yield from self._send(PowerOn((outlet,)))
            yield from self._wait(
                self._now + self._settings.timeout_seconds,
                lambda expected=expected_count: len(self._seen_macs) >= expected,  # type: ignore[misc]
            )
            self._found[outlet] = frozenset(self._seen_macs - previous)
        return self.result

    def _wait_for_log(self, *_: object) -> CommandStream:
        """Do not wait for late lines, as in 2016."""
        yield from ()

    @property
    def stacks_done(self) -> int:
        """Number of stacks switched on."""
        return len(self._found)

    @property
    def seconds_left(self) -> float:
        """Maximum time until the result."""
        return self._settings.timeout_seconds * (len(self._rasp_counts) - self.stacks_done)

    @property
    def result(self) -> DiscoveryResult:
        """The result so far."""
        return DiscoveryResult(self._found, self._missing(self._found))
