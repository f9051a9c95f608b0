"""Signs of life from the real world: the log and the pings, read side by side, as events."""

import queue
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Self

from dhcp_installer.dhcpd import log_events
from dhcp_installer.dhcpd.log_events import DhcpLogEvent
from dhcp_installer.dhcpd.log_sources import LogSource
from dhcp_installer.discovery.pingers import Pinger
from dhcp_installer.discovery.reachability import ReachabilityTracker
from dhcp_installer.discovery.strategy import BecameReachable, BecameUnreachable, DhcpActivity
from dhcp_installer.errors import InstallError

_PING_ROUNDS_UNTIL_OFFLINE = 4
_LOG_READ_TIMEOUT = 0.2

ClientEvent = DhcpActivity | BecameReachable | BecameUnreachable


class EventStream:
    """Follows log and pings, each in a thread of its own, until it is left.

    Times are seconds since it was made.

    Args:
        log: what the DHCP server logs.
        pinger: asks who answers.
        offline_after: for how long somebody must miss pings to count as silent.
    """

    def __init__(self, log: LogSource, pinger: Pinger, offline_after: float) -> None:
        self._log = log
        self._pinger = pinger
        self._ping_interval = offline_after / _PING_ROUNDS_UNTIL_OFFLINE
        self._reachability = ReachabilityTracker(offline_after)
        self._leased_addresses: dict[str, IPv4Address] = {}
        self._active_macs: set[str] = set()
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[ClientEvent | InstallError] = queue.SimpleQueue()
        self._log_output = threading.Event()
        self._closed = threading.Event()
        self._started_at = time.monotonic()
        self._last_time = 0.0
        self._threads = [
            threading.Thread(target=self._run_until_closed, args=(step,), name=step.__name__)
            for step in (self._read_log, self._ping_addresses)
        ]

    def now(self) -> float:
        """Return the time; it never steps back, and neither does that of events."""
        self._last_time = max(self._last_time, time.monotonic() - self._started_at)
        return self._last_time

    def next(self, until: float, poll_interval: float = 0.05) -> ClientEvent | None:
        """Return the next event; None when it is `until`, or nothing came for `poll_interval` seconds.

        Raises:
            LogUnreadable, PingError: there will be no more of them.
        """
        left = min(until - self.now(), poll_interval)
        try:
            event = self._events.get(timeout=max(0.0, left))
        except queue.Empty:
            return None
        if isinstance(event, InstallError):
            raise event
        return replace(event, at=self.now())  # one that had to wait is not to turn time back

    def has_log_output(self) -> bool:
        """Tell whether anything has come from the log."""
        return self._log_output.is_set()

    def addresses_of(self, macs: Collection[str]) -> list[IPv4Address]:
        """Return the addresses that these were given."""
        with self._lock:
            return self._reachability.addresses_of(macs)

    @property
    def active_macs(self) -> frozenset[str]:
        """Who has spoken to the DHCP server."""
        with self._lock:
            return frozenset(self._active_macs)

    @property
    def leased_addresses(self) -> dict[str, IPv4Address]:
        """The address that each MAC was given last."""
        with self._lock:
            return dict(self._leased_addresses)

    @property
    def reachable_addresses(self) -> frozenset[IPv4Address]:
        """The addresses that answered the last ping."""
        with self._lock:
            return self._reachability.reachable_addresses

    def _run_until_closed(self, step: Callable[[], None]) -> None:
        try:
            while not self._closed.is_set():
                step()
        except InstallError as error:
            self._events.put(error)
        except OSError as error:  # such as too many open files
            self._events.put(InstallError(f"log and pings cannot be followed: {error}"))

    def _read_log(self) -> None:
        for line in self._log.read(_LOG_READ_TIMEOUT):
            self._log_output.set()
            sighting = log_events.parse_line(line, time.monotonic() - self._started_at)
            if sighting is not None:
                self._handle_log_event(sighting)

    def _handle_log_event(self, event: DhcpLogEvent) -> None:
        with self._lock:
            self._reachability.add_log_event(event)
            if event.message_type.assigns_address and event.address is not None:
                self._leased_addresses[event.mac] = event.address
            if event.message_type.is_from_client:
                self._active_macs.add(event.mac)
        if event.message_type.is_from_client:
            self._events.put(DhcpActivity(event.mac, event.received_at))

    def _ping_addresses(self) -> None:
        with self._lock:
            asked = self._reachability.addresses
        answered = self._pinger.ping(asked, self._ping_interval)
        at = time.monotonic() - self._started_at
        with self._lock:
            events = self._reachability.add_ping_round(asked, answered, at)
        for event in events:
            self._events.put(event)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join()
