"""Stream of DHCP and ping events, read in two threads."""

import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Self

from dhcp_installer.dhcpd import log_events
from dhcp_installer.dhcpd.log_events import DhcpLogEvent
from dhcp_installer.dhcpd.log_sources import LogSource
from dhcp_installer.discovery.address_table import AddressTable
from dhcp_installer.discovery.neighbors import read_neighbors
from dhcp_installer.discovery.pingers import Pinger
from dhcp_installer.discovery.strategy import DhcpActivity, PingRound
from dhcp_installer.errors import InstallError

_LOG_READ_TIMEOUT = 0.2
_MAX_UNREADABLE_LINES = 3

ClientEvent = DhcpActivity | PingRound


class EventStream:
    """Events of DHCP clients, from the log of the DHCP server and from pings.

    A context manager that runs the two threads. Times are seconds since the stream was created.

    Args:
        log: Log of the DHCP server.
        pinger: Sends the pings.
        ping_interval: Seconds between two pings to a client.
        clock: Monotonic clock, in seconds.
        neighbors: Returns the MAC address that replies at an address, if it is known.
    """

    def __init__(
        self,
        log: LogSource,
        pinger: Pinger,
        ping_interval: float,
        clock: Callable[[], float] = time.monotonic,
        neighbors: Callable[[], Mapping[IPv4Address, str]] = read_neighbors,
    ) -> None:
        self._log = log
        self._pinger = pinger
        self._ping_interval = ping_interval
        self._clock = clock
        self._neighbors = neighbors
        self._addresses = AddressTable()
        self._reachable_addresses: frozenset[IPv4Address] = frozenset()
        self._log_read_until = 0.0  # by the log thread
        self._round_log_read_until = 0.0  # before the last ping round started
        self._leased_addresses: dict[str, IPv4Address] = {}
        self._active_macs: set[str] = set()
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[ClientEvent | InstallError] = queue.SimpleQueue()
        self._server_start = threading.Event()
        self._unreadable_lines: list[str] = []
        self._closed = threading.Event()
        self._started_at = clock()
        self._last_time = 0.0
        self._threads = [
            threading.Thread(target=self._run_until_closed, args=(step,), name=step.__name__)
            for step in (self._read_log, self._ping_addresses)
        ]

    def now(self) -> float:
        """Return the current time, which never decreases."""
        self._last_time = max(self._last_time, self._elapsed())
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

    @property
    def log_name(self) -> str:
        """Name of the log in error messages."""
        return self._log.name

    def has_server_start(self) -> bool:
        """Return whether the log reported a start of the DHCP server."""
        return self._server_start.is_set()

    @property
    def unreadable_lines(self) -> list[str]:
        """The first lines before the server's start that are not recognized as its lines."""
        with self._lock:
            return list(self._unreadable_lines)

    def addresses_of(self, macs: Collection[str]) -> list[IPv4Address]:
        """Return the current addresses of these clients."""
        with self._lock:
            return self._addresses.addresses_of(macs)

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
        """Addresses at which their clients replied to the last ping."""
        with self._lock:
            return self._reachable_addresses

    @property
    def log_read_until(self) -> float:
        """Time until which the log was read before the last ping round, see `PingRound`."""
        with self._lock:
            return self._round_log_read_until

    def _elapsed(self) -> float:
        return self._clock() - self._started_at

    def _run_until_closed(self, step: Callable[[], None]) -> None:
        try:
            while not self._closed.is_set():
                step()
        except InstallError as error:
            self._events.put(error)
        except OSError as error:  # for example too many open files
            self._events.put(InstallError(f"reading the DHCP log or pinging failed: {error}"))

    def _read_log(self) -> None:
        started_at = self._elapsed()
        for line in self._log.read(_LOG_READ_TIMEOUT):
            event = log_events.parse_line(line, self._elapsed())
            if event is not None:
                self._handle_log_event(event)
            elif log_events.is_server_start(line):
                self._server_start.set()
            elif not self.has_server_start() and not log_events.is_readable(line):
                self._add_unreadable_line(line)
        with self._lock:
            self._log_read_until = started_at

    def _handle_log_event(self, event: DhcpLogEvent) -> None:
        with self._lock:
            self._addresses.add_log_event(event)
            if event.message_type.assigns_address and event.address is not None:
                self._leased_addresses[event.mac] = event.address
            if event.message_type.is_from_client:
                self._active_macs.add(event.mac)
        if event.message_type.is_from_client and not event.is_repeated:
            self._events.put(DhcpActivity(event.mac, event.received_at))

    def _add_unreadable_line(self, line: str) -> None:
        with self._lock:
            if len(self._unreadable_lines) < _MAX_UNREADABLE_LINES:
                self._unreadable_lines.append(line)

    def _ping_addresses(self) -> None:
        with self._lock:
            mac_by_address = self._addresses.mac_by_address
            log_read_until = self._log_read_until
        started_at = self._elapsed()
        replied = self._pinger.ping(mac_by_address.keys(), self._ping_interval)
        neighbors = self._neighbors()
        mac_by_reply = {
            address: neighbors.get(address, mac_by_address[address]) for address in replied
        }
        with self._lock:
            self._reachable_addresses = frozenset(
                address for address, mac in mac_by_reply.items() if mac == mac_by_address[address]
            )
            self._round_log_read_until = log_read_until
        reachable = frozenset(mac_by_reply.values())
        self._events.put(PingRound(started_at, log_read_until, reachable, self._elapsed()))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join()
