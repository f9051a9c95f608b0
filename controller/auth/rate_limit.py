"""Rate limiting: a burst of attempts, then one attempt per interval."""

import math
import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_MAX_KEY_CHARS = 64


class RateLimiter:
    """Rate limiter for keys, using the generic cell rate algorithm (ITU-T I.371).

    For each key, the limiter stores the time at which the full burst is available again. A new
    key beyond `capacity` replaces the key with the earliest time.
    """

    def __init__(
        self,
        *,
        burst: int,
        interval: float,
        capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allow `burst` attempts, then one attempt in each `interval` seconds."""
        self._interval = interval
        self._burst_tolerance = (burst - 1) * interval
        self._capacity = capacity
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def hit(self, key: str) -> int:
        """Count an attempt and return 0, or return the seconds to wait without counting."""
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.get(key, now), now)
            wait = full_at - now - self._burst_tolerance
            if wait > 0:
                return math.ceil(wait)
            if key not in self._full_at and len(self._full_at) >= self._capacity:
                del self._full_at[min(self._full_at, key=self._full_at.__getitem__)]
            self._full_at[key] = full_at + self._interval
            return 0

    def refund(self, key: str) -> None:
        """Undo the last counted attempt of a key."""
        with self._lock:
            if key in self._full_at:
                self._full_at[key] -= self._interval


class PasswordRateLimiter:
    """Rate limiter for password attempts.

    At login, the attempts of each client network are counted, in total and for each user. Attempts
    from one network therefore do not keep the user from logging in from another. In a session, only
    the attempts of that session are counted.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_user_and_network = RateLimiter(burst=5, interval=60, clock=clock)
        self._by_network = RateLimiter(burst=20, interval=10, clock=clock)
        self._by_session = RateLimiter(burst=5, interval=60, clock=clock)

    def hit(self, user: str, address: str, session: str = "") -> int:
        """Count an attempt and return 0, or return the seconds to wait.

        Args:
            user: Name of the user.
            address: Address of the client.
            session: Secret of the user's session, or "" at login.
        """
        if session:
            return self._by_session.hit(session)
        return self._by_network.hit(client_network(address)) or self._by_user_and_network.hit(
            _user_and_network(user, address)
        )

    def refund(self, user: str, address: str, session: str = "") -> None:
        """Undo an attempt, because the password was correct."""
        if session:
            self._by_session.refund(session)
            return
        self._by_network.refund(client_network(address))
        self._by_user_and_network.refund(_user_and_network(user, address))


def _user_and_network(user: str, address: str) -> str:
    return f"{client_network(address)} {user[:_MAX_KEY_CHARS]}"


def client_network(address: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return parsed.exploded[:19]
    return address
