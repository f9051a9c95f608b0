"""What the API costs a whole rack: a virtual one, with a real Prometheus behind the controller.

`python -m bench.api` prints a table in Markdown, and ends with 1 if a bar is missed. The peer is
the controller's own `/healthz`, which asks nobody and says two letters: what is more than that is
what `GET rasps` costs.
"""

import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests

REQUESTS_PER_SECOND, SECONDS, CLIENTS = 50, 20, 200
MAX_P99_SECONDS, MAX_QUERIES_PER_SECOND = 0.025, 1.0

_START_SECONDS = 240
_QUERIES = re.compile(
    r"^pirack_controller_prometheus_queries_total\{.*\} ([0-9.e+]+)$", re.MULTILINE
)
_MEMORY = re.compile(r"^process_resident_memory_bytes ([0-9.e+]+)$", re.MULTILINE)


@contextmanager
def running_demo() -> Iterator[str]:
    """Give the URL of the controller of a demo in which all rasps are up."""
    base = 21_000 + os.getpid() % 400 * 10
    demo = subprocess.Popen(
        [sys.executable, "-m", "virtual_rack.demo", "--port-base", str(base)],
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(_START_SECONDS, demo.kill)
    watchdog.start()
    try:
        for line in demo.stdout or ():
            if line.startswith("48 of 48"):
                break
        watchdog.cancel()
        threading.Thread(target=lambda: list(demo.stdout or ()), daemon=True).start()
        yield f"http://127.0.0.1:{base}"
    finally:
        watchdog.cancel()
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


def constant_rate(send_request: Callable[[], None]) -> list[float]:
    """Ask at a steady rate, whether or not earlier answers are there; return seconds for each."""
    seconds: list[float] = []

    def once(due: float) -> None:
        time.sleep(max(0.0, due - time.monotonic()))
        send_request()
        seconds.append(time.monotonic() - due)  # a late start is a wait, too

    begin = time.monotonic() + 0.1
    with ThreadPoolExecutor(32) as threads:
        for i in range(REQUESTS_PER_SECOND * SECONDS):
            threads.submit(once, begin + i / REQUESTS_PER_SECOND)
    return seconds


def concurrent_requests(url: str) -> tuple[int, float]:
    """Let many clients ask in one moment; return how many got the answer, and the seconds."""
    ready = threading.Barrier(CLIENTS + 1)

    def one() -> bool:
        ready.wait()
        try:
            return len(requests.get(url, timeout=30).json()) == 48  # noqa: PLR2004 - the rasps
        except (requests.RequestException, ValueError):
            return False

    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = [threads.submit(one) for _ in range(CLIENTS)]
        ready.wait()
        began = time.monotonic()
        answered = sum(each.result() for each in answers)
    return answered, time.monotonic() - began


def main() -> int:
    """Measure, print the table, and return 1 if a bar is missed."""
    with running_demo() as url, requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

        def metric(pattern: re.Pattern[str]) -> float:
            return sum(map(float, pattern.findall(session.get(f"{url}/metrics", timeout=9).text)))

        def asking(path: str) -> Callable[[], None]:
            return lambda: session.get(url + path, timeout=9).raise_for_status()

        health = constant_rate(asking("/healthz"))
        before, began = metric(_QUERIES), time.monotonic()
        rasps = constant_rate(asking("/api/v1.0/rasps"))
        queries = (metric(_QUERIES) - before) / (time.monotonic() - began)
        memory = metric(_MEMORY)
        answered, seconds = concurrent_requests(f"{url}/api/v1.0/rasps")
        grown = metric(_MEMORY) - memory
    p99 = statistics.quantiles(rasps, n=100)[98]
    p99_of_peer = statistics.quantiles(health, n=100)[98]
    table = [
        f"| {REQUESTS_PER_SECOND} requests a second, {SECONDS} s | median | p99 | bar |",
        "|---|---:|---:|---:|",
        f"| `GET rasps`, 48 rasps | {_milliseconds(statistics.median(rasps))} | {_milliseconds(p99)}"
        f" | {_milliseconds(MAX_P99_SECONDS)} |",
        f"| `GET /healthz` | {_milliseconds(statistics.median(health))} | {_milliseconds(p99_of_peer)} |  |",
        "",
        "| | reached | bar |",
        "|---|---:|---:|",
        f"| queries to Prometheus a second | {queries:.2f} | {MAX_QUERIES_PER_SECOND:g} |",
        f"| of {CLIENTS} clients at once, answered | {answered} | {CLIENTS} |",
        f"| the last of them after | {seconds:.2f} s |  |",
        f"| memory that they cost | {grown / 1e6:.1f} MB |  |",
    ]
    sys.stdout.write("\n".join(table) + "\n")
    is_reached = (
        len(rasps) == REQUESTS_PER_SECOND * SECONDS
        and p99 <= MAX_P99_SECONDS
        and queries <= MAX_QUERIES_PER_SECOND
        and answered == CLIENTS
    )
    return 0 if is_reached else 1


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
