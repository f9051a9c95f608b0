"""Runner of a discovery strategy on a real rack."""

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import replace
from ipaddress import IPv4Address
from threading import Event
from typing import Protocol

from dhcp_installer.discovery.event_stream import EventStream
from dhcp_installer.discovery.strategy import (
    LATE_EVENTS_TIMEOUT,
    Command,
    DhcpActivity,
    DiscoveryEvent,
    DiscoveryResult,
    PingRound,
    PowerOff,
    PowerOn,
    Strategy,
    Sync,
    Tick,
    WaitUntil,
)
from dhcp_installer.errors import InstallStoppedError
from rack.layout import Outlet


class PowerSwitch(Protocol):
    """Switches outlets, such as `Outlets`."""

    def switch(self, power: Mapping[Outlet, bool], *, installing: bool = False) -> object:
        """Switch outlets on or off as one."""


class DiscoveryRunner:
    """Executes power commands and waits for events, until the install is stopped.

    Args:
        power: Switches the outlets.
        events: DHCP and ping events of the rasps.
        sync: Requests that the rasps at these addresses write cached data to their disks.
        stop: Set to stop the install.
        ignored_macs: MAC addresses whose events the strategy does not receive.
    """

    def __init__(
        self,
        power: PowerSwitch,
        events: EventStream,
        sync: Callable[[Collection[IPv4Address]], object],
        stop: Event,
        *,
        ignored_macs: Set[str] = frozenset(),
    ) -> None:
        self._power = power
        self._events = events
        self._sync = sync
        self._stop = stop
        self._ignored_macs = ignored_macs

    def discover(
        self, strategy: Strategy, on_command: Callable[[Command], None]
    ) -> DiscoveryResult:
        """Run a strategy and return its result.

        Args:
            strategy: A strategy that has not run yet.
            on_command: Called after each command.

        Raises:
            InstallStoppedError: If the install was stopped.
            PiRackError: If an outlet, the log or ping fails.
        """
        discovery = strategy.run()
        command = next(discovery)
        while True:
            event = self._execute(command)
            try:
                next_command = discovery.send(event)
            except StopIteration as stop:
                result: DiscoveryResult = stop.value
                return result
            on_command(command)
            command = next_command

    def wait(self, seconds: float, done: Callable[[], bool] | None = None) -> None:
        """Process events for this time or until `done`, including log lines that are read late.

        Raises the errors of `discover`.
        """
        self._raise_if_stopped()
        deadline = self._events.now() + seconds
        while self._events.now() < deadline and not (done and done()):
            self._next_event(deadline)
        timeout = deadline + LATE_EVENTS_TIMEOUT
        while (
            done
            and not done()
            and self._events.log_read_until < deadline
            and self._events.now() < timeout
        ):
            self._next_event(timeout)

    def off(self, outlets: Iterable[Outlet]) -> None:
        """Switch outlets off as one. Raises the errors of `discover`."""
        self._raise_if_stopped()
        self._power.switch(dict.fromkeys(outlets, False), installing=True)

    def on(self, outlets: Iterable[Outlet]) -> None:
        """Switch outlets on as one. Raises the errors of `discover`."""
        self._raise_if_stopped()
        self._power.switch(dict.fromkeys(outlets, True), installing=True)

    def sync(self, addresses: Collection[IPv4Address]) -> None:
        """Request that rasps write cached data to their disks."""
        if addresses:
            self._sync(addresses)

    def _execute(self, command: Command) -> DiscoveryEvent:
        match command:
            case WaitUntil(time):
                return self._next_event(time)
            case PowerOn(outlets):
                self.on(outlets)
            case PowerOff(outlets):
                self.off(outlets)
            case Sync(macs):
                self.sync(self._events.addresses_of(macs))
        return Tick(self._events.now())

    def _next_event(self, until: float) -> DiscoveryEvent:
        self._raise_if_stopped()
        match event := self._events.next(until):
            case PingRound(reachable=reachable):
                return replace(event, reachable=reachable - self._ignored_macs)
            case DhcpActivity(mac) if mac not in self._ignored_macs:
                return event
            case _:
                return Tick(self._events.now())

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise InstallStoppedError("the install was stopped")
