"""Measure transferred bytes and server time of the pages.

`python -m bench.pages` prints a table in Markdown, and exits with 1 if a target is missed. The real
application serves over a real socket. A fake Prometheus responds immediately, and changes as many
temperatures as are scraped between two refreshes. The server time is the CPU time of the thread.
Other load on the machine affects it less than the latency. The ratio to a constant page that Flask
and waitress serve is comparable between machines.
"""

import gc
import http.client
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from prometheus_client import CollectorRegistry
from waitress.server import create_server

from controller.alerts.received import ReceivedAlerts
from controller.app import create_app
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.dependencies import Dependencies
from controller.master.info import MasterInfo
from controller.state.build import STATE_SERIES
from controller.state.changes import STATE_CHANGE_SERIES
from controller.state.history import RaspHistory
from controller.state.latest import MAX_STATE_AGE_SECONDS, LatestState
from controller.state.prometheus import Prometheus
from controller.state.reader import RackStateReader
from rack.database import Database
from rack.inventory import Inventory
from rack.layout import Rack
from rack.layout_file import load
from tests.controller.fakes import (
    FakeRackState,
    alert_service_for,
    doctor_for,
    experiment_service_for,
    install_service_for,
    installed_rasps,
    order_service_for,
    reservation_service_for,
)
from tests.controller.http_client import add_users, create_session
from tests.helpers.layouts import layout_text

ROUNDS = {48: 300, 1000: 40}
REFRESH_SECONDS, SCRAPE_SECONDS = 0.6, 5.0
MAX_FIRST_LOAD_BYTES, MAX_REFRESH_BYTES, MAX_P99_SECONDS = 60_000, 5_000, 0.030
MAX_PAST_P99_SECONDS = 0.060
MAX_UNCHANGED_SECONDS = 0.0015
EARLIER = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIRST_LOAD = "rack page, first load"
UNCHANGED = "rack page, nothing changed"
SAME_STATE = "rack page, nothing changed, same state"
FIRST_REQUEST = "rack page, nothing changed, first request"
CHANGED = "rack page, little changed"
PAST = "rack page, earlier time"
MOVED = "rack page, moved to an earlier time"
UPDATE = {"Prefer": "return=minimal"}
"""Header of the requests that update a page."""


@dataclass
class FakePrometheusData:
    """Data of the fake Prometheus.

    Attributes:
        rack: Layout of the rack.
        is_changing: Whether some temperatures change at each query. Uptimes always do.
    """

    rack: Rack
    is_changing: bool = False
    _rounds: Iterator[int] = field(default_factory=itertools.count)
    _temperatures: dict[int, float] = field(default_factory=dict)
    _uptimes: dict[int, int] = field(default_factory=dict)

    def query_response(self) -> bytes:
        """Return the response to the query that a page refresh sends."""
        round_number = next(self._rounds)
        changed = math.ceil(len(self.rack.slots) * REFRESH_SECONDS / SCRAPE_SECONDS)
        for i in range(changed):
            number = (round_number * changed + i) % len(self.rack.slots) + 1
            self._uptimes[number] = 3_600 + round_number
            if self.is_changing:
                self._temperatures[number] = 45.0 + (7 * round_number + number) % 20
        result = [
            {"metric": {"__name__": name, "stack": slot.stack_name, "slot": str(slot.number)}
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
                ("pirack_uptime_seconds", self._uptimes.get(slot.id, 3_600)),
                ("probe_success", 1),
            )
        ]  # fmt: skip
        return json.dumps({"data": {"resultType": "vector", "result": result}}).encode()

    def changes_response(self, end: float) -> bytes:
        """Return the response to the query of the activity: each rasp was down for a minute."""
        result = [
            {"metric": {"__name__": STATE_CHANGE_SERIES, "rasp": slot.name},
             "values": [[end - 1800 + slot.id, "0"], [end - 1740 + slot.id, "1"]]}
            for slot in self.rack.slots
        ]  # fmt: skip
        return json.dumps({"data": {"resultType": "matrix", "result": result}}).encode()

    def range_response(self, start: float, end: float, step: float) -> bytes:
        """Return the response to the query of the lanes. The temperature changes at each step."""
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        result = [
            {"metric": {"stack": stack.name, "quantity": quantity},
             "values": [
                [at, str(value + i * (stack.number + 1) % spread)] for i, at in enumerate(times)
             ]}
            for stack in self.rack.stacks
            for quantity, value, spread in (
                ("known", len(stack.slots), 1), ("pinged", len(stack.slots), 1), ("celsius", 45, 30)
            )
        ]  # fmt: skip
        return json.dumps({"data": {"resultType": "matrix", "result": result}}).encode()

    def sparkline_response(self, start: float, end: float, step: float) -> bytes:
        """Return the response to the query of the sparklines. Each line has another shape."""
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        result = [
            {"metric": {"stack": slot.stack_name, "slot": str(slot.number)},
             "values": [
                [at, f"{45 + 9 * math.sin(slot.id * i):.1f}"] for i, at in enumerate(times)
             ]}
            for slot in self.rack.slots
        ]  # fmt: skip
        return json.dumps({"data": {"resultType": "matrix", "result": result}}).encode()


@dataclass(frozen=True)
class PageCost:
    """Response size in bytes, and duration in seconds of each request."""

    body_bytes: int
    cpu: Sequence[float]
    latency: Sequence[float]

    @property
    def median(self) -> float:
        """Median server time in seconds."""
        return statistics.median(self.cpu)

    @property
    def p99(self) -> float:
        """99th percentile of the server time in seconds."""
        return statistics.quantiles(self.cpu, n=100)[98]


class StateAge(Enum):
    """How old the state of the rack is at a request."""

    REFRESHED = "the thread of the controller has read it since the previous request"
    SAME = "it is that of the previous request"
    OUTDATED = "no request came for some time, and this one reads it itself"


class BenchedState:
    """The latest state of the rack, with the time until each request.

    The thread of the controller reads the state once a second. Here, it is read in the thread of
    the client between two requests, so that it is new at each request.

    Attributes:
        age: How old the state is at the next requests.
    """

    def __init__(self, reader: RackStateReader) -> None:
        self.age = StateAge.REFRESHED
        self._cpu: list[float] = []
        self._latency: list[float] = []
        self._now = 0.0
        self.latest = LatestState(reader, clock=lambda: self._now)

    def pass_time(self) -> None:
        """Let the time until the next request pass."""
        if self.age is StateAge.OUTDATED:
            self._now += MAX_STATE_AGE_SECONDS
        elif self.age is StateAge.REFRESHED:
            self._now += MAX_STATE_AGE_SECONDS / 2
            cpu, start = time.thread_time(), time.perf_counter()
            self.latest.refresh()
            self._cpu.append(time.thread_time() - cpu)
            self._latency.append(time.perf_counter() - start)

    @property
    def cost(self) -> PageCost:
        """Costs of reading a state ahead."""
        return PageCost(0, tuple(self._cpu), tuple(self._latency))


class Stopwatch:
    """WSGI middleware that measures the CPU time of each request."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.seconds: list[float] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Handle a request."""
        start = time.thread_time()
        response = self._app(environ, start_response)
        self.seconds.append(time.thread_time() - start)
        return response


@contextmanager
def fake_prometheus(data: FakePrometheusData) -> Iterator[str]:
    """Run a fake Prometheus. Yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path.endswith("rules"):
                body = b'{"data": {"groups": []}}'
            elif url.path.endswith("query_range"):
                is_by_slot = "by (stack, slot)" in query["query"]
                respond = data.sparkline_response if is_by_slot else data.range_response
                body = respond(*(float(query[name]) for name in ("start", "end", "step")))
            elif query["query"].endswith("ms]"):
                body = data.changes_response(float(query["time"]))
            else:
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
    """Serve an app in the same way as the controller. Yield the port and the stopwatch."""
    stopwatch = Stopwatch(app)
    server = create_server(stopwatch, listen="127.0.0.1:0", threads=16)
    threading.Thread(target=server.run, daemon=True).start()
    gc.collect()
    gc.freeze()  # like the controller
    yield int(server.effective_port), stopwatch  # type: ignore[union-attr]
    server.task_dispatcher.shutdown()
    server.close()


class PageClient:
    """A client with one persistent connection, like a browser."""

    def __init__(
        self,
        port: int,
        stopwatch: Stopwatch,
        rounds: int,
        cookie: str = "",
        pass_time: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._stopwatch = stopwatch
        self._rounds = rounds
        self._cookie = cookie
        self._pass_time = pass_time

    def measure(
        self,
        path: str | Callable[[int], str],
        *,
        is_update: bool = False,
        revalidate: bool = False,
    ) -> PageCost:
        """Request a page many times.

        Args:
            path: Path of the page, or a function that returns it for the number of a request.
            is_update: Request what updates the page, without lanes and sparklines.
            revalidate: Update the page, and send the ETag of the last response.
        """
        self._stopwatch.seconds.clear()
        etag, latency, bodies = "", [], []
        for number in range(self._rounds):
            address = path if isinstance(path, str) else path(number)
            headers = {"Accept-Encoding": "gzip", "Cookie": self._cookie}
            if is_update or revalidate:
                headers |= UPDATE
            if etag and revalidate:
                headers["If-None-Match"] = etag
            self._pass_time()
            start = time.perf_counter()
            self._connection.request("GET", address, headers=headers)
            response = self._connection.getresponse()
            body = response.read()
            latency.append(time.perf_counter() - start)
            if response.status not in {200, 304}:
                raise RuntimeError(f"{address} returned {response.status}")
            bodies.append(len(body))
            etag = response.headers.get("ETag", "")
        warm_up = self._rounds // 10
        return PageCost(max(bodies[warm_up:]), self._stopwatch.seconds[warm_up:], latency[warm_up:])


@contextmanager
def running_app(
    rack: Rack, folder: Path
) -> Iterator[tuple[PageClient, FakePrometheusData, BenchedState]]:
    """Serve the pages of a rack. Yield a client of an operator, the fake data and the state."""
    database = Database(folder / "pirack.db")
    access = AccessControl(database)
    installation = install_service_for(access, folder)
    inventory = Inventory(database)
    inventory.replace(installed_rasps(rack).values())
    add_users(access)
    data, registry = FakePrometheusData(rack), CollectorRegistry()
    with database.kept_open(), fake_prometheus(data) as url:
        prometheus = Prometheus(url)
        orders = order_service_for(access, FakeRackState(rack), folder, registry, rack)
        reservations = reservation_service_for(access, folder)
        reader = RackStateReader(rack, inventory, prometheus, CollectorRegistry())
        state = BenchedState(reader)
        app = create_app(
            Dependencies(
                state=state.latest.get,
                prepare_states=state.latest.prepare_with,
                master=MasterInfo(folder, []).read,
                doctor=doctor_for(),
                registry=registry,
                access=access,
                orders=orders,
                reservations=reservations,
                experiments=experiment_service_for(
                    orders, reservations, folder, FakeRackState(rack).read
                ),
                installation=installation,
                alerts=alert_service_for(ReceivedAlerts(), state.latest.get),
                history=RaspHistory(rack.name, prometheus),
            )
        )
        with served_app(app) as (port, stopwatch):
            cookie = f"{SESSION_COOKIE}={create_session(access, 'otto')}"
            rounds = ROUNDS[len(rack.slots)]
            yield PageClient(port, stopwatch, rounds, cookie, state.pass_time), data, state


def earlier(number: int) -> str:
    """Return the address of the rack page at an earlier time, another one for each number."""
    return f"/?at={EARLIER + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}"


def measure(rack: Rack) -> dict[str, PageCost]:
    """Return the costs of a rack's pages, keyed by request."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_app(rack, Path(name)) as (page_client, data, state),
    ):
        costs = {
            FIRST_LOAD: page_client.measure("/"),
            UNCHANGED: page_client.measure("/", revalidate=True),
        }
        costs["the thread that reads the state ahead"] = state.cost
        costs |= {
            "Rasps, first load": page_client.measure("/rasps"),
            PAST: page_client.measure(earlier),
            MOVED: page_client.measure(lambda number: earlier(1000 + number), is_update=True),
            "rack page, moved to a known time": page_client.measure(earlier(0), is_update=True),
            "lanes": page_client.measure("/lanes"),
            "activity": page_client.measure("/activity"),
            "sparklines": page_client.measure("/sparklines"),
            "details of a rasp": page_client.measure("/rasps/10/card"),
            "wall display, nothing changed": page_client.measure("/?kiosk=1", revalidate=True),
        }
        state.age = StateAge.SAME
        costs[SAME_STATE] = page_client.measure("/", revalidate=True)
        state.age = StateAge.OUTDATED
        costs[FIRST_REQUEST] = page_client.measure("/", revalidate=True)
        state.age, data.is_changing = StateAge.REFRESHED, True
        costs[CHANGED] = page_client.measure("/", revalidate=True)
        costs["Rasps, little changed"] = page_client.measure("/rasps", revalidate=True)
    return costs


def measure_baseline() -> PageCost:
    """Return the costs of a constant page that Flask and waitress serve, keyed by request."""
    app = Flask("baseline")
    app.add_url_rule("/", view_func=lambda: "ok")
    with served_app(app) as (port, stopwatch):
        return PageClient(port, stopwatch, ROUNDS[48]).measure("/")


def large_rack(folder: Path) -> Rack:
    """Return a rack of 1,000 rasps."""
    stacks = [{"pin": i + 2, "x": i % 5, "y": i // 5} for i in range(25)]
    path = folder / "rack.toml"
    path.write_text(layout_text(stacks, name="large", slots=40), encoding="utf-8")
    return load(path)


def missed_targets(costs: dict[str, PageCost]) -> list[str]:
    """Return the targets that the pages of the rack of 48 miss."""
    first, changed, unchanged = costs[FIRST_LOAD], costs[CHANGED], costs[UNCHANGED]
    past_p99 = max(costs[PAST].p99, costs[MOVED].p99)
    targets = {
        f"first load at most {MAX_FIRST_LOAD_BYTES:,} bytes": first.body_bytes
        <= MAX_FIRST_LOAD_BYTES,
        f"refresh at most {MAX_REFRESH_BYTES:,} bytes": changed.body_bytes <= MAX_REFRESH_BYTES,
        "empty refresh of an unchanged page": unchanged.body_bytes == 0,
        f"304 at most {1000 * MAX_UNCHANGED_SECONDS:.1f} ms": unchanged.median
        <= MAX_UNCHANGED_SECONDS,
        f"p99 at most {1000 * MAX_P99_SECONDS:.0f} ms": first.p99 <= MAX_P99_SECONDS,
        f"p99 of earlier times at most {1000 * MAX_PAST_P99_SECONDS:.0f} ms": past_p99
        <= MAX_PAST_P99_SECONDS,
    }
    return [target for target, is_met in targets.items() if not is_met]


def main() -> int:
    """Run the benchmark. Return the exit status."""
    load_at_start = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        racks = {"48 rasps": load(Path("rack.toml")), "1,000 rasps": large_rack(Path(name))}
        measured = {title: measure(rack) for title, rack in racks.items()}
    baseline = measure_baseline()
    rows = [("Flask and waitress, constant page", "", baseline)]
    rows += [
        (page, title, cost) for title, costs in measured.items() for page, cost in costs.items()
    ]
    sys.stdout.write(
        "| page | rasps | bytes | server, median | ratio | server, p99 | latency, median |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n"
    )
    for page, title, cost in rows:
        median, p99, latency = (
            f"{1000 * seconds:.1f} ms"
            for seconds in (cost.median, cost.p99, statistics.median(cost.latency))
        )
        sys.stdout.write(
            f"| {page} | {title.removesuffix(' rasps')} | {cost.body_bytes:,} | {median}"
            f" | {cost.median / baseline.median:.0f} | {p99} | {latency} |\n"
        )
    sys.stdout.write(
        f"\nLoad average: {load_at_start:.1f} at the start, {os.getloadavg()[0]:.1f} at the end.\n"
    )
    missed = missed_targets(measured["48 rasps"])
    for target in missed:
        sys.stderr.write(f"missed: {target}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
