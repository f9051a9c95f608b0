"""Waiting for what is to come, with a bound; and where a server of a test can listen."""

import socket
import time
from collections.abc import Callable

SECONDS = 30.0


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait for a condition; fail the test when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.05)


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
        return port
