"""Attack the controller of a demo with hostile clients, and measure what others notice.

`python -m bench.hostile_clients` prints a Markdown table, and exits with 1 if a target is missed:
`/healthz` must respond within 100 ms (median of the requests during the attack), and the controller
may use 256 MB. The clients and `/healthz` use the same address, which is the worst case.
"""

import re
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bench.api import running_demo
from controller.orders.model import Order, OrderRequest, OrderState, Result, TargetResult
from controller.orders.store import OrderStore
from rack.database import Database
from rack.demo_token import find_demo_token

SILENT_CONNECTIONS, READERS, ORDERS = 300, 16, 500
MAX_MEDIAN_SECONDS, MAX_MEMORY_BYTES = 0.1, 256e6

_MEASUREMENT_SECONDS = 15.0
_OUTPUT_CHARS = 500  # then the results of an order have 31 kB
_MEMORY = re.compile(r"^process_resident_memory_bytes ([0-9.e+]+)$", re.MULTILINE)


def measure(url: str) -> tuple[list[float], float]:
    """Return the seconds of requests to `/healthz`, and the largest memory of the controller."""
    seconds, memory = [], 0.0
    end = time.monotonic() + _MEASUREMENT_SECONDS
    while time.monotonic() < end:
        start = time.monotonic()
        requests.get(f"{url}/healthz", timeout=60).raise_for_status()
        seconds.append(time.monotonic() - start)
        match = _MEMORY.search(requests.get(f"{url}/metrics", timeout=60).text)
        memory = max(memory, float(match[1]) if match else 0.0)
        time.sleep(0.05)
    return seconds, memory


@contextmanager
def silent_connections(url: str) -> Iterator[None]:
    """Open connections that send half a header each."""
    address = urlsplit(url)
    with ExitStack() as stack:
        for _ in range(SILENT_CONNECTIONS):
            client = socket.create_connection((address.hostname, address.port or 0), 10)
            stack.callback(client.close)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        yield


@contextmanager
def heavy_readers(url: str, token: str) -> Iterator[None]:
    """Read the largest list of orders with several clients, without a pause."""
    stop = threading.Event()

    def read() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        while not stop.is_set():
            requests.get(f"{url}/api/v1.0/orders?limit=500", headers=headers, timeout=60)

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        stop.set()
        for reader in readers:
            reader.join()


@contextmanager
def unauthenticated_uploads(url: str) -> Iterator[None]:
    """Announce bodies of 1 GB, and send them until the controller refuses."""
    stop = threading.Event()
    address = urlsplit(url)

    def upload() -> None:
        head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
        while not stop.is_set():
            with socket.create_connection((address.hostname, address.port or 0), 10) as client:
                try:
                    client.sendall(head)
                    while True:
                        client.sendall(bytes(65536))
                except OSError:
                    continue

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def save_orders(database: Path) -> None:
    """Store orders of the whole rack with long outputs."""
    store = OrderStore(Database(database))
    names = tuple(f"{stack:02}-{slot}" for stack in range(1, 13) for slot in range(1, 5))
    results = tuple(
        TargetResult("rasp", name, i, Result.OK, output="x" * _OUTPUT_CHARS)
        for i, name in enumerate(names, start=1)
    )
    first = store.newest_id() + 1
    request = OrderRequest("warnings", "rack")
    for number in range(first, first + ORDERS):
        order = Order(number, request, names, "otto", "10.0.0.1", time.time(), results=results)
        store.save(replace(order, state=OrderState.DONE, finished_at=order.started_at))


def main() -> int:
    """Run all attacks, and print the table."""
    is_passed = True
    _write_line("| attack | `/healthz`, median | maximum | memory |\n|---|---:|---:|---:|")
    with running_demo() as url:
        state = Path(f".demo-{urlsplit(url).port}")
        save_orders(state / "pirack.db")
        token = find_demo_token(url, Path()) or ""
        attacks: dict[str, AbstractContextManager[object]] = {
            "none": ExitStack(),
            f"{SILENT_CONNECTIONS} silent connections": silent_connections(url),
            f"{READERS} readers of {ORDERS} orders": heavy_readers(url, token),
            "uploads of 1 GB": unauthenticated_uploads(url),
        }
        for name, attack in attacks.items():
            with attack:
                seconds, memory = measure(url)
            median = statistics.median(seconds)
            is_passed &= median <= MAX_MEDIAN_SECONDS and memory <= MAX_MEMORY_BYTES
            cells = (f"{median * 1000:.0f} ms", f"{max(seconds) * 1000:.0f} ms")
            _write_line(f"| {name} | {' | '.join(cells)} | {memory / 1e6:.0f} MB |")
    return 0 if is_passed else 1


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
