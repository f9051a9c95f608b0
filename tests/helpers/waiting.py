"""Waiting for what is to come, with a bound; and where a server of a test can listen."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from virtual_rack.loopback import PING_PORT

TIMEOUT_SECONDS = 30.0

_NETWORK_COUNT = 100


def wait_until(condition: Callable[[], object], timeout: float = TIMEOUT_SECONDS) -> None:
    """Wait for a condition; fail the test when it does not come."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s"
        time.sleep(0.05)


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def free_network_prefix() -> str:
    """Return the first two octets of a network of loopback in which no virtual rack runs.

    Where tests run side by side, each begins to look at another one.
    """
    for i in range(_NETWORK_COUNT):
        network = f"127.{124 + (os.getpid() + i) % _NETWORK_COUNT}"
        with suppress(OSError), socket.create_server((f"{network}.1.1", PING_PORT)):
            return network
    raise AssertionError("virtual racks run in all networks")
