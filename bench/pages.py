"""What the pages cost: bytes over the wire, and the server's time for them.

`python -m bench.pages` prints a table in Markdown, and ends with 1 if the pages miss a bar. The
real application answers over a real socket; what stands in for Prometheus answers at once, with
other temperatures for as many rasps as are scraped between two refreshes. The server's time is that
of its thread's CPU: what else runs on the machine counts in the latency alone.
"""

import gc
import http.client
import itertools
import json
import math
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flask import Flask
from prometheus_client import CollectorRegistry
from waitress.server import create_server

from controller.alerts.received import ReceivedAlerts
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.dependencies import Dependencies
from controller.master.info import MasterInfo
from controller.state.build import STATE_SERIES
from controller.state.history import RaspHistory
from controller.state.prometheus import Prometheus
from controller.state.reader import RackStateReader
from controller.web.app import create_app
from rack.database import Database
from rack.inventory import Inventory, Rasp
from rack.layout import Rack
from rack.layout_file import load
from tests.controller.fakes import (
    FakeRackState,
    alert_service_for,
    install_service_for,
    order_service_for,
)
from tests.controller.http_client import add_users, create_session

ROUNDS = {48: 300, 1000: 40}
REFRESH_SECONDS, SCRAPE_SECONDS = 0.6, 5.0
MAX_FIRST_LOAD_BYTES, MAX_REFRESH_BYTES, MAX_P99_SECONDS = 60_000, 5_000, 0.030

_LARGE_RACK_TOML = """
name = "large"
slots = 40
[network]
subnet = "10.23.0.0/16"
master = "10.23.0.1"
address = "10.23.{stack}.{slot}"
[relays]
active_high = true
contact = "normally_closed"
"""


@dataclass
class FakePrometheusData:
    """What Prometheus is taken to know: each ask changes a part of it, if it shall."""

    rack: Rack
    is_changing: bool = False
    _turn: Iterator[int] = field(default_factory=itertools.count)
    _temperatures: dict[int, float] = field(default_factory=dict)

    def query_response(self) -> bytes:
        """Return the answer to the one query of a refresh."""
        if self.is_changing:
            turn = next(self._turn)
            changed = math.ceil(len(self.rack.slots) * REFRESH_SECONDS / SCRAPE_SECONDS)
            for each in range(changed):
                number = (turn * changed + each) % len(self.rack.slots) + 1
                self._temperatures[number] = 45.0 + (7 * turn + number) % 20
        result = [
            {"metric": {"__name__": name, "stack": f"{slot.stack:02}", "slot": str(slot.number)}
             | ({"computed": name} if name == "cpu_busy_cores" else {}),
             "value": [0, str(value)]}
            for slot in self.rack.slots
            for name, value in (
                (STATE_SERIES, 1),
                ("pirack_cpu_temperature_celsius", self._temperatures.get(slot.id, 48.0)),
                ("pirack_cpu_load1", 0.3),
                ("cpu_busy_cores", 0.4),
                ("pirack_memory_available_bytes", 742e6),
                ("pirack_memory_total_bytes", 969e6),
                ("pirack_boot_time_seconds", 1_795_552_960),
                ("probe_success", 1),
            )
        ]  # fmt: skip
        return json.dumps({"data": {"resultType": "vector", "result": result}}).encode()


@dataclass(frozen=True)
class PageCost:
    """What one way to ask costs: the bytes of the answer's body, and seconds for each ask."""

    body_bytes: int
    cpu: Sequence[float]
    latency: Sequence[float]

    @property
    def median(self) -> float:
        """The server's seconds for the usual ask."""
        return statistics.median(self.cpu)

    @property
    def p99(self) -> float:
        """The server's seconds that 99 of 100 asks do not take."""
        return statistics.quantiles(self.cpu, n=100)[98]


class Stopwatch:
    """Stands before an application, and notes what each request costs its thread."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.seconds: list[float] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer a request."""
        began = time.thread_time()
        answer = self._app(environ, start_response)
        self.seconds.append(time.thread_time() - began)
        return answer


@contextmanager
def fake_prometheus(data: FakePrometheusData) -> Iterator[str]:
    """Give the URL of what stands in for Prometheus."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = data.query_response()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def served_app(app: Flask) -> Iterator[tuple[int, Stopwatch]]:
    """Serve an app as the controller does; give the port, and what notes the time."""
    watch = Stopwatch(app)
    server = create_server(watch, listen="127.0.0.1:0", threads=16)
    threading.Thread(target=server.run, daemon=True).start()
    gc.collect()
    gc.freeze()  # as the controller does
    yield int(server.effective_port), watch  # type: ignore[union-attr]
    server.task_dispatcher.shutdown()
    server.close()


class PageClient:
    """A server that is asked over one connection, as a browser does."""

    def __init__(self, port: int, stopwatch: Stopwatch, rounds: int, cookie: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._stopwatch = stopwatch
        self._rounds = rounds
        self._cookie = cookie

    def measure(self, path: str, *, revalidate: bool = False) -> PageCost:
        """Ask for a page many times, each time as a refresh of what one has, if `revalidate`."""
        self._stopwatch.seconds.clear()
        etag, latency, bodies = "", [], []
        for _ in range(self._rounds):
            headers = {"Accept-Encoding": "gzip", "Cookie": self._cookie}
            if etag and revalidate:
                headers["If-None-Match"] = etag
            began = time.perf_counter()
            self._connection.request("GET", path, headers=headers)
            response = self._connection.getresponse()
            body = response.read()
            latency.append(time.perf_counter() - began)
            if response.status not in {200, 304}:
                raise RuntimeError(f"{path} answered {response.status}")
            bodies.append(len(body))
            etag = response.headers.get("ETag", "")
        warm = self._rounds // 10
        return PageCost(max(bodies[warm:]), self._stopwatch.seconds[warm:], latency[warm:])


@contextmanager
def running_app(rack: Rack, folder: Path) -> Iterator[tuple[PageClient, FakePrometheusData]]:
    """Give a controller of a rack that an operator asks, and what it will be told."""
    database = Database(folder / "pirack.db")
    access = AccessControl(database)
    installation = install_service_for(access, folder)
    inventory = Inventory(database)
    inventory.replace(
        Rasp(
            slot.stack,
            slot.number,
            f"b8:27:eb:00:{slot.id >> 8:02x}:{slot.id & 255:02x}",
            slot.address,
        )
        for slot in rack.slots
    )
    add_users(access)
    readings, registry = FakePrometheusData(rack), CollectorRegistry()
    with fake_prometheus(readings) as url:
        prometheus = Prometheus(url)
        app = create_app(
            Dependencies(
                state=RackStateReader(rack, inventory, prometheus, CollectorRegistry()).read,
                master=MasterInfo(folder, []).read,
                registry=registry,
                access=access,
                orders=order_service_for(access, FakeRackState(), folder, registry),
                installation=installation,
                alerts=alert_service_for(ReceivedAlerts()),
                history=RaspHistory(rack.name, prometheus),
            )
        )
        with served_app(app) as (port, watch):
            cookie = f"{SESSION_COOKIE}={create_session(access, 'otto')}"
            yield PageClient(port, watch, ROUNDS[len(rack.slots)], cookie), readings


def measure(rack: Rack) -> dict[str, PageCost]:
    """Return what the pages of a rack cost, by what is asked for."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_app(rack, Path(name)) as (asked, readings),
    ):
        costs = {
            "rack page, first load": asked.measure("/"),
            "rack page, nothing changed": asked.measure("/", revalidate=True),
            "Manage, first load": asked.measure("/manage"),
        }
        readings.is_changing = True
        costs["rack page, little changed"] = asked.measure("/", revalidate=True)
        costs["Manage, little changed"] = asked.measure("/manage", revalidate=True)
    return costs


def measure_baseline() -> PageCost:
    """Return what Flask and waitress cost for a page of two letters: nothing of ours is in it."""
    app = Flask("floor")
    app.add_url_rule("/", view_func=lambda: "ok")
    with served_app(app) as (port, watch):
        return PageClient(port, watch, ROUNDS[48]).measure("/")


def large_rack(folder: Path) -> Rack:
    """Return a rack of 1,000 rasps."""
    stacks = (f"[[stacks]]\npin = {i + 2}\nx = {i % 5}\ny = {i // 5}\n" for i in range(25))
    path = folder / "rack.toml"
    path.write_text(_LARGE_RACK_TOML + "".join(stacks), encoding="utf-8")
    return load(path)


def main() -> int:
    """Print the table; return 1 where a bar is missed."""
    with tempfile.TemporaryDirectory() as name:
        racks = {"48 rasps": load(Path("rack.toml")), "1,000 rasps": large_rack(Path(name))}
        measured = {title: measure(rack) for title, rack in racks.items()}
    rows = [("Flask and waitress, two letters", "", measure_baseline())]
    rows += [
        (what, title, cost) for title, costs in measured.items() for what, cost in costs.items()
    ]
    sys.stdout.write(
        "| page | rasps | bytes | server, median | server, p99 | latency, median |\n"
        "|---|---:|---:|---:|---:|---:|\n"
    )
    for what, title, cost in rows:
        latency = statistics.median(cost.latency)
        times = " | ".join(f"{1000 * each:.1f} ms" for each in (cost.median, cost.p99, latency))
        sys.stdout.write(
            f"| {what} | {title.removesuffix(' rasps')} | {cost.body_bytes:,} | {times} |\n"
        )
    small = measured["48 rasps"]
    first, changed = small["rack page, first load"], small["rack page, little changed"]
    missed = [
        bar
        for bar, is_met in {
            f"first load in {MAX_FIRST_LOAD_BYTES:,} bytes": first.body_bytes
            <= MAX_FIRST_LOAD_BYTES,
            f"refresh in {MAX_REFRESH_BYTES:,} bytes": changed.body_bytes <= MAX_REFRESH_BYTES,
            "nothing where nothing changed": small["rack page, nothing changed"].body_bytes == 0,
            f"p99 in {1000 * MAX_P99_SECONDS:.0f} ms": first.p99 <= MAX_P99_SECONDS,
        }.items()
        if not is_met
    ]
    for bar in missed:
        sys.stderr.write(f"missed: {bar}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
