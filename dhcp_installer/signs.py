"""Signs of life from the real world: the log and the pings, read side by side, as events."""

import queue
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Self

from dhcp_installer import sightings
from dhcp_installer.discovery import Answers, FellSilent, Seen
from dhcp_installer.errors import InstallError
from dhcp_installer.log_sources import LogSource
from dhcp_installer.pings import Pinger
from dhcp_installer.presence import Presence
from dhcp_installer.sightings import Sighting

_ROUNDS_UNTIL_SILENT = 4
_LOG_SECONDS = 0.2

Sign = Seen | Answers | FellSilent


class Signs:
    """Follows log and pings, each in a thread of its own, until it is left.

    Times are seconds since it was made.

    Args:
        log: what the DHCP server logs.
        pinger: asks who answers.
        silent_after: for how long somebody must miss pings to count as silent.
    """

    def __init__(self, log: LogSource, pinger: Pinger, silent_after: float) -> None:
        self._log = log
        self._pinger = pinger
        self._round = silent_after / _ROUNDS_UNTIL_SILENT
        self._presence = Presence(silent_after)
        self._given: dict[str, IPv4Address] = {}
        self._heard: set[str] = set()
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[Sign | InstallError] = queue.SimpleQueue()
        self._lines = threading.Event()
        self._end = threading.Event()
        self._began = time.monotonic()
        self._last = 0.0
        self._threads = [
            threading.Thread(target=self._keep, args=(step,), name=step.__name__)
            for step in (self._read, self._ping)
        ]

    def now(self) -> float:
        """Return the time; it never steps back, and neither does that of events."""
        self._last = max(self._last, time.monotonic() - self._began)
        return self._last

    def next(self, until: float, wake: float = 0.05) -> Sign | None:
        """Return the next event; None when it is `until`, or nothing came for `wake` seconds.

        Raises:
            LogUnreadable, PingError: there will be no more of them.
        """
        left = min(until - self.now(), wake)
        try:
            event = self._events.get(timeout=max(0.0, left))
        except queue.Empty:
            return None
        if isinstance(event, InstallError):
            raise event
        return replace(event, at=self.now())  # one that had to wait is not to turn time back

    def has_lines(self) -> bool:
        """Tell whether anything has come from the log."""
        return self._lines.is_set()

    def addresses_of(self, macs: Collection[str]) -> list[IPv4Address]:
        """Return the addresses that these were given."""
        with self._lock:
            return self._presence.addresses_of(macs)

    @property
    def heard(self) -> frozenset[str]:
        """Who has spoken to the DHCP server."""
        with self._lock:
            return frozenset(self._heard)

    @property
    def given(self) -> dict[str, IPv4Address]:
        """The address that each MAC was given last."""
        with self._lock:
            return dict(self._given)

    @property
    def answering_addresses(self) -> frozenset[IPv4Address]:
        """The addresses that answered the last ping."""
        with self._lock:
            return self._presence.answering_addresses

    def _keep(self, step: Callable[[], None]) -> None:
        try:
            while not self._end.is_set():
                step()
        except InstallError as error:
            self._events.put(error)
        except OSError as error:  # such as too many open files
            self._events.put(InstallError(f"log and pings cannot be followed: {error}"))

    def _read(self) -> None:
        for line in self._log.read(_LOG_SECONDS):
            self._lines.set()
            sighting = sightings.parse(line, time.monotonic() - self._began)
            if sighting is not None:
                self._hear(sighting)

    def _hear(self, sighting: Sighting) -> None:
        with self._lock:
            self._presence.note(sighting)
            if sighting.kind.gives_address and sighting.address is not None:
                self._given[sighting.mac] = sighting.address
            if sighting.kind.is_from_client:
                self._heard.add(sighting.mac)
        if sighting.kind.is_from_client:
            self._events.put(Seen(sighting.mac, sighting.when))

    def _ping(self) -> None:
        with self._lock:
            asked = self._presence.addresses
        answered = self._pinger.ping(asked, self._round)
        at = time.monotonic() - self._began
        with self._lock:
            events = self._presence.pinged(asked, answered, at)
        for event in events:
            self._events.put(event)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
