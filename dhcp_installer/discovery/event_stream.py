"""Stream of DHCP and ping events, read in two threads."""

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
    """Events of DHCP clients, from the log of the DHCP server and from pings.

    A context manager that runs the two threads. Times are seconds since it was created.

    Args:
        log: Log of the DHCP server.
        pinger: Sends the pings.
        offline_after: Seconds without a reply after which a client is unreachable.
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
        """Return the current time. It never decreases."""
        self._last_time = max(self._last_time, time.monotonic() - self._started_at)
        return self._last_time

    def next(self, until: float, poll_interval: float = 0.05) -> ClientEvent | None:
        """Return the next event, or None at `until` or after `poll_interval` seconds.

        Raises:
            LogSourceError, PingError: If the log or ping failed.
        """
        timeout = min(until - self.now(), poll_interval)
        try:
            event = self._events.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        if isinstance(event, InstallError):
            raise event
        return replace(event, time=self.now())  # a queued event must not turn time back

    def has_log_output(self) -> bool:
        """Return whether the log contained a line."""
        return self._log_output.is_set()

    def addresses_of(self, macs: Collection[str]) -> list[IPv4Address]:
        """Return the current addresses of these clients."""
        with self._lock:
            return self._reachability.addresses_of(macs)

    @property
    def active_macs(self) -> frozenset[str]:
        """MAC addresses that sent a message to the DHCP server."""
        with self._lock:
            return frozenset(self._active_macs)

    @property
    def leased_addresses(self) -> dict[str, IPv4Address]:
        """Last leased address of each MAC address."""
        with self._lock:
            return dict(self._leased_addresses)

    @property
    def reachable_addresses(self) -> frozenset[IPv4Address]:
        """Addresses that replied to the last ping."""
        with self._lock:
            return self._reachability.reachable_addresses

    def _run_until_closed(self, step: Callable[[], None]) -> None:
        try:
            while not self._closed.is_set():
                step()
        except InstallError as error:
            self._events.put(error)
        except OSError as error:  # for example too many open files
            self._events.put(InstallError(f"reading the DHCP log or pinging failed: {error}"))

    def _read_log(self) -> None:
        for line in self._log.read(_LOG_READ_TIMEOUT):
            self._log_output.set()
            event = log_events.parse_line(line, time.monotonic() - self._started_at)
            if event is not None:
                self._handle_log_event(event)

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
            pinged = self._reachability.addresses
        replied = self._pinger.ping(pinged, self._ping_interval)
        now = time.monotonic() - self._started_at
        with self._lock:
            events = self._reachability.add_ping_round(pinged, replied, now)
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
