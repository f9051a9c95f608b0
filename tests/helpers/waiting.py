"""Wait for conditions, and find free ports and networks."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count, islice

from virtual_rack.loopback import PING_PORT

TIMEOUT_SECONDS = 30.0

_NETWORK_COUNT = 100
_offsets = count()


def wait_until(condition: Callable[[], object], timeout: float = TIMEOUT_SECONDS) -> None:
    """Wait until a condition is true, and fail the test on a timeout."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"timed out after {timeout:.0f} s"
        time.sleep(0.05)


def free_port(address: str = "127.0.0.1") -> int:
    """Return a free TCP port."""
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def free_network_prefix() -> str:
    """Return the first two octets of a loopback network without a virtual rack.

    Each call and each parallel test process starts the search at a different network.
    """
    for offset in islice(_offsets, _NETWORK_COUNT):
        network = f"127.{124 + (os.getpid() * 7 + offset) % _NETWORK_COUNT}"
        with suppress(OSError), socket.create_server((f"{network}.1.1", PING_PORT)):
            return network
    raise AssertionError("all loopback networks are in use")
