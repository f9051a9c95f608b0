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

REQUESTS_A_SECOND, SECONDS, CLIENTS = 50, 20, 200
P99_SECONDS, QUERIES_A_SECOND = 0.025, 1.0

_START_SECONDS = 240
_QUERIES = re.compile(
    r"^pirack_controller_prometheus_queries_total\{.*\} ([0-9.e+]+)$", re.MULTILINE
)
_MEMORY = re.compile(r"^process_resident_memory_bytes ([0-9.e+]+)$", re.MULTILINE)


@contextmanager
def a_demo() -> Iterator[str]:
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


def steadily(ask: Callable[[], None]) -> list[float]:
    """Ask at a steady rate, whether or not earlier answers are there; return seconds for each."""
    seconds: list[float] = []

    def once(due: float) -> None:
        time.sleep(max(0.0, due - time.monotonic()))
        ask()
        seconds.append(time.monotonic() - due)  # a late start is a wait, too

    begin = time.monotonic() + 0.1
    with ThreadPoolExecutor(32) as threads:
        for i in range(REQUESTS_A_SECOND * SECONDS):
            threads.submit(once, begin + i / REQUESTS_A_SECOND)
    return seconds


def at_once(url: str) -> tuple[int, float]:
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
    with a_demo() as url, requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

        def metric(pattern: re.Pattern[str]) -> float:
            return sum(map(float, pattern.findall(session.get(f"{url}/metrics", timeout=9).text)))

        def asking(path: str) -> Callable[[], None]:
            return lambda: session.get(url + path, timeout=9).raise_for_status()

        health = steadily(asking("/healthz"))
        before, began = metric(_QUERIES), time.monotonic()
        rasps = steadily(asking("/api/v1.0/rasps"))
        queries = (metric(_QUERIES) - before) / (time.monotonic() - began)
        memory = metric(_MEMORY)
        answered, seconds = at_once(f"{url}/api/v1.0/rasps")
        grown = metric(_MEMORY) - memory
    p99 = statistics.quantiles(rasps, n=100)[98]
    p99_of_peer = statistics.quantiles(health, n=100)[98]
    table = [
        f"| {REQUESTS_A_SECOND} requests a second, {SECONDS} s | median | p99 | bar |",
        "|---|---:|---:|---:|",
        f"| `GET rasps`, 48 rasps | {_ms(statistics.median(rasps))} | {_ms(p99)}"
        f" | {_ms(P99_SECONDS)} |",
        f"| `GET /healthz` | {_ms(statistics.median(health))} | {_ms(p99_of_peer)} |  |",
        "",
        "| | reached | bar |",
        "|---|---:|---:|",
        f"| queries to Prometheus a second | {queries:.2f} | {QUERIES_A_SECOND:g} |",
        f"| of {CLIENTS} clients at once, answered | {answered} | {CLIENTS} |",
        f"| the last of them after | {seconds:.2f} s |  |",
        f"| memory that they cost | {grown / 1e6:.1f} MB |  |",
    ]
    sys.stdout.write("\n".join(table) + "\n")
    is_reached = (
        len(rasps) == REQUESTS_A_SECOND * SECONDS
        and p99 <= P99_SECONDS
        and queries <= QUERIES_A_SECOND
        and answered == CLIENTS
    )
    return 0 if is_reached else 1


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
