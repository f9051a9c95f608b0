"""How often somebody may try: so often at once, and then once in so many seconds."""

import math
import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_MAX_KEY_CHARS = 64


class RateLimiter:
    """Counts attempts by key, after the generic cell rate algorithm (ITU-T I.371).

    Of a key one time is kept: when all of its attempts will be forgotten. At most `capacity` keys
    are kept; one more takes the place of the one that would be forgotten first.
    """

    def __init__(
        self,
        *,
        burst: int,
        interval: float,
        capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allow `burst` attempts, and one more after each `interval`."""
        self._interval = interval
        self._burst_tolerance = (burst - 1) * interval
        self._capacity = capacity
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def hit(self, key: str) -> int:
        """Count an attempt and return 0; or count none, and return the whole seconds to wait."""
        with self._lock:
            now = self._clock()
            forgotten_at = max(self._full_at.get(key, now), now)
            wait = forgotten_at - now - self._burst_tolerance
            if wait > 0:
                return math.ceil(wait)
            if key not in self._full_at and len(self._full_at) >= self._capacity:
                del self._full_at[min(self._full_at, key=self._full_at.__getitem__)]
            self._full_at[key] = forgotten_at + self._interval
            return 0

    def refund(self, key: str) -> None:
        """Take back an attempt that was counted: it was none."""
        with self._lock:
            if key in self._full_at:
                self._full_at[key] -= self._interval


class PasswordRateLimiter:
    """Attempts at passwords: so many at one user's, and so many from one address."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_user = RateLimiter(burst=5, interval=60, clock=clock)
        self._by_address = RateLimiter(burst=20, interval=10, clock=clock)

    def hit(self, user: str, address: str) -> int:
        """Count an attempt and return 0, or return the whole seconds to wait."""
        return self._by_address.hit(client_network(address)) or self._by_user.hit(
            user[:_MAX_KEY_CHARS]
        )

    def refund(self, user: str, address: str) -> None:
        """Take back an attempt: the password was right."""
        self._by_address.refund(client_network(address))
        self._by_user.refund(user[:_MAX_KEY_CHARS])


def client_network(address: str) -> str:
    """Return what one guest has of a network: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return parsed.exploded[:19]
    return address
