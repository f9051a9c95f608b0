"""Limits of the open connections, so that no client network can use up all of them."""

import threading
from collections import defaultdict
from typing import Generic, Protocol, TypeVar


class Connection(Protocol):
    """A connection, as far as the limits need it.

    Attributes:
        network: Network of the client, see `client_network`.
        waiting_since: Monotonic time at which the connection began to wait for a request.
    """

    network: str
    waiting_since: float

    @property
    def is_waiting(self) -> bool:
        """Whether no request of the connection is being processed."""


_Connection = TypeVar("_Connection", bound=Connection)


class ConnectionTable(Generic[_Connection]):
    """The open connections of each client network. Thread-safe.

    Args:
        max_per_network: Maximum number of connections of a network.
        max_total: Maximum number of connections of all networks.
        exempt_network: Network without a limit of its own: that of a proxy, which sends the
            requests of all clients.
    """

    def __init__(
        self, *, max_per_network: int, max_total: int, exempt_network: str | None = None
    ) -> None:
        self._max_per_network = max_per_network
        self._max_total = max_total
        self._exempt_network = exempt_network
        self._total = 0
        self._by_network: defaultdict[str, dict[_Connection, None]] = defaultdict(dict)
        self._lock = threading.Lock()

    def add(self, connection: _Connection) -> _Connection | None:
        """Add a connection. Return the connection to close because a limit is exceeded, or None.

        The connection to close has waited longest for a request. It belongs to the same network
        or, if there are too many connections in total, to the network with the most connections.
        """
        with self._lock:
            group = self._by_network[connection.network]
            group[connection] = None
            self._total += 1
            is_limited = connection.network != self._exempt_network
            if self._total > self._max_total:
                group = max(self._by_network.values(), key=len)
            elif not is_limited or len(group) <= self._max_per_network:
                return None
            waiting = [candidate for candidate in group if candidate.is_waiting] or [connection]
            return min(waiting, key=lambda candidate: candidate.waiting_since)

    def remove(self, connection: _Connection) -> None:
        """Remove a connection, if it was not removed before."""
        with self._lock:
            group = self._by_network[connection.network]
            if connection in group:
                del group[connection]
                self._total -= 1
            if not group:
                del self._by_network[connection.network]
