"""How often somebody may try: so often at once, and then once in so many seconds."""

import math
import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_LONGEST_NAME = 64


class Attempts:
    """Counts attempts by key, after the generic cell rate algorithm (ITU-T I.371).

    Of a key one time is kept: when all of its attempts will be forgotten. At most `capacity` keys
    are kept; one more takes the place of the one that would be forgotten first.
    """

    def __init__(
        self,
        *,
        at_once: int,
        seconds_each: float,
        capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allow `at_once` attempts, and one more after each `seconds_each`."""
        self._seconds_each = seconds_each
        self._allowance = (at_once - 1) * seconds_each
        self._capacity = capacity
        self._clock = clock
        self._forgotten_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> int:
        """Count an attempt and return 0; or count none, and return the whole seconds to wait."""
        with self._lock:
            now = self._clock()
            forgotten_at = max(self._forgotten_at.get(key, now), now)
            wait = forgotten_at - now - self._allowance
            if wait > 0:
                return math.ceil(wait)
            if key not in self._forgotten_at and len(self._forgotten_at) >= self._capacity:
                del self._forgotten_at[min(self._forgotten_at, key=self._forgotten_at.__getitem__)]
            self._forgotten_at[key] = forgotten_at + self._seconds_each
            return 0

    def give_back(self, key: str) -> None:
        """Take back an attempt that was counted: it was none."""
        with self._lock:
            if key in self._forgotten_at:
                self._forgotten_at[key] -= self._seconds_each


class PasswordAttempts:
    """Attempts at passwords: so many at one user's, and so many from one address."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_user = Attempts(at_once=5, seconds_each=60, clock=clock)
        self._by_address = Attempts(at_once=20, seconds_each=10, clock=clock)

    def take(self, user: str, address: str) -> int:
        """Count an attempt and return 0, or return the whole seconds to wait."""
        return self._by_address.take(network(address)) or self._by_user.take(user[:_LONGEST_NAME])

    def give_back(self, user: str, address: str) -> None:
        """Take back an attempt: the password was right."""
        self._by_address.give_back(network(address))
        self._by_user.give_back(user[:_LONGEST_NAME])


def network(address: str) -> str:
    """Return what one guest has of a network: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return parsed.exploded[:19]
    return address
