"""Measure the API's latency on a virtual rack with a real Prometheus.

`python -m bench.api` prints a Markdown table, and exits with 1 if a target is missed. The
baseline is the controller's `/healthz`, which returns a constant.
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
    """Run a demo. Yield the URL of its controller when all rasps are up."""
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
    """Send requests at a constant rate, without waiting for responses. Return their seconds."""
    seconds: list[float] = []

    def send_at(due: float) -> None:
        time.sleep(max(0.0, due - time.monotonic()))
        send_request()
        seconds.append(time.monotonic() - due)  # includes a late start

    start = time.monotonic() + 0.1
    with ThreadPoolExecutor(32) as threads:
        for i in range(REQUESTS_PER_SECOND * SECONDS):
            threads.submit(send_at, start + i / REQUESTS_PER_SECOND)
    return seconds


def concurrent_requests(url: str) -> tuple[int, float]:
    """Send many requests at the same time. Return the number of successes and the seconds taken."""
    ready = threading.Barrier(CLIENTS + 1)

    def request() -> bool:
        ready.wait()
        try:
            return len(requests.get(url, timeout=30).json()) == 48  # noqa: PLR2004 - all rasps
        except (requests.RequestException, ValueError):
            return False

    with ThreadPoolExecutor(CLIENTS) as threads:
        futures = [threads.submit(request) for _ in range(CLIENTS)]
        ready.wait()
        start = time.monotonic()
        succeeded = sum(future.result() for future in futures)
    return succeeded, time.monotonic() - start


def main() -> int:
    """Run the benchmark. Return the exit status."""
    with running_demo() as url, requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

        def metric(pattern: re.Pattern[str]) -> float:
            return sum(map(float, pattern.findall(session.get(f"{url}/metrics", timeout=9).text)))

        def get(path: str) -> Callable[[], None]:
            return lambda: session.get(url + path, timeout=9).raise_for_status()

        health = constant_rate(get("/healthz"))
        queries_before, start = metric(_QUERIES), time.monotonic()
        rasps = constant_rate(get("/api/v1.0/rasps"))
        queries = (metric(_QUERIES) - queries_before) / (time.monotonic() - start)
        memory_before = metric(_MEMORY)
        succeeded, seconds = concurrent_requests(f"{url}/api/v1.0/rasps")
        memory_growth = metric(_MEMORY) - memory_before
    rasps_median = statistics.median(rasps)
    p99 = statistics.quantiles(rasps, n=100)[98]
    baseline_p99 = statistics.quantiles(health, n=100)[98]
    table = [
        f"| {REQUESTS_PER_SECOND} requests per second, {SECONDS} s | median | p99 | target |",
        "|---|---:|---:|---:|",
        f"| `GET rasps`, 48 rasps | {_milliseconds(rasps_median, p99, MAX_P99_SECONDS)} |",
        f"| `GET /healthz` | {_milliseconds(statistics.median(health), baseline_p99)} |  |",
        "",
        "| | measured | target |",
        "|---|---:|---:|",
        f"| queries to Prometheus per second | {queries:.2f} | {MAX_QUERIES_PER_SECOND:g} |",
        f"| successful requests of {CLIENTS} concurrent clients | {succeeded} | {CLIENTS} |",
        f"| time until the last response | {seconds:.2f} s |  |",
        f"| memory growth | {memory_growth / 1e6:.1f} MB |  |",
    ]
    sys.stdout.write("\n".join(table) + "\n")
    is_passed = (
        len(rasps) == REQUESTS_PER_SECOND * SECONDS
        and p99 <= MAX_P99_SECONDS
        and queries <= MAX_QUERIES_PER_SECOND
        and succeeded == CLIENTS
    )
    return 0 if is_passed else 1


def _milliseconds(*seconds: float) -> str:
    return " | ".join(f"{value * 1000:.1f} ms" for value in seconds)


if __name__ == "__main__":
    sys.exit(main())
