"""Drives a strategy against a real rack: relays, log, pings and clock."""

from collections.abc import Callable, Collection
from ipaddress import IPv4Address
from threading import Event
from typing import Protocol

from dhcp_installer.discovery.event_stream import EventStream
from dhcp_installer.discovery.strategy import (
    Command,
    DiscoveryResult,
    PowerOff,
    PowerOn,
    Strategy,
    Sync,
    Tick,
    WaitUntil,
)
from dhcp_installer.discovery.strategy import DiscoveryEvent as Happening
from dhcp_installer.errors import InstallStoppedError


class PowerSwitch(Protocol):
    """Switches stacks on behalf of an install."""

    def on(self, stack: int, *, installing: bool = False) -> None:
        """Give a stack power."""

    def off(self, stack: int, *, installing: bool = False) -> None:
        """Cut a stack's power."""


class DiscoveryRunner:
    """Does what is to be done to stacks and rasps while an install goes on, and lets be stopped.

    Args:
        power: switches the stacks.
        events: tells what happens.
        sync: asks the rasps at these addresses to write their disks; it does what it can.
        stop: is set by who wants the install to stop.
        ignored_macs: MACs of which a strategy hears nothing.
    """

    def __init__(
        self,
        power: PowerSwitch,
        events: EventStream,
        sync: Callable[[Collection[IPv4Address]], object],
        stop: Event,
        *,
        ignored_macs: Collection[str] = (),
    ) -> None:
        self._power = power
        self._events = events
        self._sync = sync
        self._stop = stop
        self._ignored_macs = ignored_macs

    def discover(
        self, strategy: Strategy, on_command: Callable[[Command], None]
    ) -> DiscoveryResult:
        """Do what a strategy says until it has its findings.

        Args:
            strategy: not yet begun.
            on_command: is told after each command.

        Raises:
            Stopped: somebody wants it to stop.
            LogUnreadable, PingError, RackError: it cannot go on.
        """
        discovery = strategy.run()
        command = next(discovery)
        while True:
            event = self._execute(command)
            try:
                following = discovery.send(event)
            except StopIteration as end:
                findings: DiscoveryResult = end.value
                return findings
            on_command(command)
            command = following

    def wait(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, and what happens in it happen. Raises what `discover` raises."""
        until = self._events.now() + seconds
        while self._events.now() < until and not done():
            self._next_event(until)

    def off(self, stack: int) -> None:
        """Cut a stack's power. Raises what `discover` raises."""
        self._raise_if_stopped()
        self._power.off(stack, installing=True)

    def on(self, stack: int) -> None:
        """Give a stack power. Raises what `discover` raises."""
        self._raise_if_stopped()
        self._power.on(stack, installing=True)

    def sync(self, addresses: Collection[IPv4Address]) -> None:
        """Ask rasps to write their disks."""
        if addresses:
            self._sync(addresses)

    def _execute(self, command: Command) -> Happening:
        match command:
            case WaitUntil(at):
                return self._next_event(at)
            case PowerOn(stack):
                self.on(stack)
            case PowerOff(stack):
                self.off(stack)
            case Sync(macs):
                self.sync(self._events.addresses_of(macs))
        return Tick(self._events.now())

    def _next_event(self, until: float) -> Happening:
        self._raise_if_stopped()
        sign = self._events.next(until)
        if sign is None or sign.mac in self._ignored_macs:
            return Tick(self._events.now())
        return sign

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise InstallStoppedError("it was stopped")
