"""Drives a strategy against a real rack: relays, log, pings and clock."""

from collections.abc import Callable, Collection
from ipaddress import IPv4Address
from threading import Event
from typing import Protocol

from dhcp_installer.discovery import (
    Clock,
    Command,
    Findings,
    PowerOff,
    PowerOn,
    Strategy,
    Sync,
    WaitUntil,
)
from dhcp_installer.discovery import Event as Happening
from dhcp_installer.errors import Stopped
from dhcp_installer.signs import Signs


class Power(Protocol):
    """Switches stacks on behalf of an install."""

    def on(self, stack: int, *, installing: bool = False) -> None:
        """Give a stack power."""

    def off(self, stack: int, *, installing: bool = False) -> None:
        """Cut a stack's power."""


class Driver:
    """Does what is to be done to stacks and rasps while an install goes on, and lets be stopped.

    Args:
        power: switches the stacks.
        signs: tells what happens.
        sync: asks the rasps at these addresses to write their disks; it does what it can.
        stop: is set by who wants the install to stop.
        ignored: MACs of which a strategy hears nothing.
    """

    def __init__(
        self,
        power: Power,
        signs: Signs,
        sync: Callable[[Collection[IPv4Address]], object],
        stop: Event,
        *,
        ignored: Collection[str] = (),
    ) -> None:
        self._power = power
        self._signs = signs
        self._sync = sync
        self._stop = stop
        self._ignored = ignored

    def discover(self, strategy: Strategy, watch: Callable[[Command], None]) -> Findings:
        """Do what a strategy says until it has its findings.

        Args:
            strategy: not yet begun.
            watch: is told after each command.

        Raises:
            Stopped: somebody wants it to stop.
            LogUnreadable, PingError, RackError: it cannot go on.
        """
        discovery = strategy.run()
        command = next(discovery)
        while True:
            event = self._do(command)
            try:
                following = discovery.send(event)
            except StopIteration as end:
                findings: Findings = end.value
                return findings
            watch(command)
            command = following

    def wait(self, seconds: float, is_enough: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, and what happens in it happen. Raises what `discover` raises."""
        until = self._signs.now() + seconds
        while self._signs.now() < until and not is_enough():
            self._happening(until)

    def off(self, stack: int) -> None:
        """Cut a stack's power. Raises what `discover` raises."""
        self._refuse_to_go_on()
        self._power.off(stack, installing=True)

    def on(self, stack: int) -> None:
        """Give a stack power. Raises what `discover` raises."""
        self._refuse_to_go_on()
        self._power.on(stack, installing=True)

    def sync(self, addresses: Collection[IPv4Address]) -> None:
        """Ask rasps to write their disks."""
        if addresses:
            self._sync(addresses)

    def _do(self, command: Command) -> Happening:
        match command:
            case WaitUntil(at):
                return self._happening(at)
            case PowerOn(stack):
                self.on(stack)
            case PowerOff(stack):
                self.off(stack)
            case Sync(macs):
                self.sync(self._signs.addresses_of(macs))
        return Clock(self._signs.now())

    def _happening(self, until: float) -> Happening:
        self._refuse_to_go_on()
        sign = self._signs.next(until)
        if sign is None or sign.mac in self._ignored:
            return Clock(self._signs.now())
        return sign

    def _refuse_to_go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped("it was stopped")
