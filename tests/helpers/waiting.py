"""Wait for conditions with timeouts for a busy machine, and find free ports and networks."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from itertools import count, islice

import requests

from virtual_rack.loopback import PING_PORT

TIMEOUT_SECONDS = 240.0
"""Bound of a wait on two cores with a load average of 8. At rest, waits take seconds."""

_PROBE_SECONDS = 10.0

_NETWORKS = range(124, 224)
_PORTS = range(10_000, 20_000)  # the kernel chooses ports above 32767 for outgoing connections
# Sessions that run at the same time start at different networks and ports.
_offsets = count(os.getpid())


def wait_until(condition: Callable[[], object], timeout: float = TIMEOUT_SECONDS) -> None:
    """Wait until a condition is true, and fail the test on a timeout.

    The pauses grow with the time since the start, because conditions such as requests to a server
    take processor time: twenty checks in the first second, two per second after ten seconds.
    """
    started = time.monotonic()
    while not condition():
        elapsed = time.monotonic() - started
        assert elapsed < timeout, f"timed out after {timeout:.0f} s"
        time.sleep(min(max(0.05, elapsed / 20), 0.5))


def is_reachable(url: str) -> bool:
    """Return whether a server responds with a success, or requires a password."""
    try:
        response = requests.get(url, timeout=_PROBE_SECONDS)
    except (requests.ConnectionError, requests.Timeout):
        return False
    return response.ok or response.status_code == HTTPStatus.UNAUTHORIZED


def free_port(address: str = "127.0.0.1") -> int:
    """Return a free TCP port, which neither another pytest worker nor the kernel chooses."""
    ports = _share_of_worker(_PORTS)
    for offset in islice(_offsets, len(ports)):
        port = ports[offset % len(ports)]
        with suppress(OSError), socket.create_server((address, port)):
            return port
    raise AssertionError("all ports are in use")


def worker_networks() -> range:
    """Return the second octets of the loopback networks that only this pytest worker uses."""
    return _share_of_worker(_NETWORKS)


def _share_of_worker(numbers: range) -> range:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = len(numbers) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return numbers[worker * size : (worker + 1) * size]


def free_network_prefix() -> str:
    """Return the first two octets of a loopback network without a virtual rack.

    The first network of a worker is reserved for `loopback_prefix` of `openssh_servers`.
    """
    networks = worker_networks()[1:]
    for offset in islice(_offsets, len(networks)):
        network = f"127.{networks[offset % len(networks)]}"
        if is_network_free(network):
            return network
    raise AssertionError("all loopback networks are in use")


def is_network_free(network: str) -> bool:
    """Return whether no virtual rack uses a loopback network, such as `127.124`."""
    with suppress(OSError), socket.create_server((f"{network}.1.1", PING_PORT)):
        return True
    return False
