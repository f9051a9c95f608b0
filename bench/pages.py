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

from controller.access import COOKIE, Access
from controller.alerts.told import Told
from controller.app import create_app
from controller.decide import STATE_SERIES
from controller.master import Master
from controller.parts import Parts
from controller.prometheus import Prometheus
from controller.records import Records
from controller.watch import Watch
from rack.database import Database
from rack.inventory import Inventory, Rasp
from rack.layout import Rack
from rack.layout_file import load
from tests.controller.visitor import add_users, session_of
from tests.controller.world import World, desk_of, installation_of, orders_of

ROUNDS = {48: 300, 1000: 40}
REFRESH_SECONDS, SCRAPE_SECONDS = 0.6, 5.0
FIRST_LOAD_BYTES, REFRESH_BYTES, P99_SECONDS = 60_000, 5_000, 0.030

_LARGE = """
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
class Readings:
    """What Prometheus is taken to know: each ask changes a part of it, if it shall."""

    rack: Rack
    do_change: bool = False
    _turn: Iterator[int] = field(default_factory=itertools.count)
    _temperatures: dict[int, float] = field(default_factory=dict)

    def answer(self) -> bytes:
        """Return the answer to the one query of a refresh."""
        if self.do_change:
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
class Cost:
    """What one way to ask costs: the bytes of the answer's body, and seconds for each ask."""

    body: int
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
def prometheus_of(readings: Readings) -> Iterator[str]:
    """Give the URL of what stands in for Prometheus."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = readings.answer()
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
def serving(app: Flask) -> Iterator[tuple[int, Stopwatch]]:
    """Serve an app as the controller does; give the port, and what notes the time."""
    watch = Stopwatch(app)
    server = create_server(watch, listen="127.0.0.1:0", threads=16)
    threading.Thread(target=server.run, daemon=True).start()
    gc.collect()
    gc.freeze()  # as the controller does
    yield int(server.effective_port), watch  # type: ignore[union-attr]
    server.task_dispatcher.shutdown()
    server.close()


class Asked:
    """A server that is asked over one connection, as a browser does."""

    def __init__(self, port: int, watch: Stopwatch, rounds: int, cookie: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._watch = watch
        self._rounds = rounds
        self._cookie = cookie

    def cost(self, path: str, *, again: bool = False) -> Cost:
        """Ask for a page many times, each time as a refresh of what one has, if `again`."""
        self._watch.seconds.clear()
        etag, latency, bodies = "", [], []
        for _ in range(self._rounds):
            headers = {"Accept-Encoding": "gzip", "Cookie": self._cookie}
            if etag and again:
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
        return Cost(max(bodies[warm:]), self._watch.seconds[warm:], latency[warm:])


@contextmanager
def controller_of(rack: Rack, folder: Path) -> Iterator[tuple[Asked, Readings]]:
    """Give a controller of a rack that an operator asks, and what it will be told."""
    database = Database(folder / "pirack.db")
    access = Access(database)
    installation = installation_of(access, folder)
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
    readings, registry = Readings(rack), CollectorRegistry()
    with prometheus_of(readings) as url:
        prometheus = Prometheus(url)
        app = create_app(
            Parts(
                state=Watch(rack, inventory, prometheus, CollectorRegistry()).state,
                master=Master(folder, []).read,
                registry=registry,
                access=access,
                orders=orders_of(access, World(), folder, registry),
                installation=installation,
                alerts=desk_of(Told()),
                records=Records(rack.name, prometheus),
            )
        )
        with serving(app) as (port, watch):
            cookie = f"{COOKIE}={session_of(access, 'otto')}"
            yield Asked(port, watch, ROUNDS[len(rack.slots)], cookie), readings


def measure(rack: Rack) -> dict[str, Cost]:
    """Return what the pages of a rack cost, by what is asked for."""
    with (
        tempfile.TemporaryDirectory() as name,
        controller_of(rack, Path(name)) as (asked, readings),
    ):
        costs = {
            "rack page, first load": asked.cost("/"),
            "rack page, nothing changed": asked.cost("/", again=True),
            "Manage, first load": asked.cost("/manage"),
        }
        readings.do_change = True
        costs["rack page, little changed"] = asked.cost("/", again=True)
        costs["Manage, little changed"] = asked.cost("/manage", again=True)
    return costs


def floor() -> Cost:
    """Return what Flask and waitress cost for a page of two letters: nothing of ours is in it."""
    app = Flask("floor")
    app.add_url_rule("/", view_func=lambda: "ok")
    with serving(app) as (port, watch):
        return Asked(port, watch, ROUNDS[48]).cost("/")


def large_rack(folder: Path) -> Rack:
    """Return a rack of 1,000 rasps."""
    stacks = (f"[[stacks]]\npin = {i + 2}\nx = {i % 5}\ny = {i // 5}\n" for i in range(25))
    path = folder / "rack.toml"
    path.write_text(_LARGE + "".join(stacks), encoding="utf-8")
    return load(path)


def main() -> int:
    """Print the table; return 1 where a bar is missed."""
    with tempfile.TemporaryDirectory() as name:
        racks = {"48 rasps": load(Path("rack.toml")), "1,000 rasps": large_rack(Path(name))}
        measured = {title: measure(rack) for title, rack in racks.items()}
    rows = [("Flask and waitress, two letters", "", floor())]
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
        sys.stdout.write(f"| {what} | {title.removesuffix(' rasps')} | {cost.body:,} | {times} |\n")
    small = measured["48 rasps"]
    first, changed = small["rack page, first load"], small["rack page, little changed"]
    missed = [
        bar
        for bar, is_met in {
            f"first load in {FIRST_LOAD_BYTES:,} bytes": first.body <= FIRST_LOAD_BYTES,
            f"refresh in {REFRESH_BYTES:,} bytes": changed.body <= REFRESH_BYTES,
            "nothing where nothing changed": small["rack page, nothing changed"].body == 0,
            f"p99 in {1000 * P99_SECONDS:.0f} ms": first.p99 <= P99_SECONDS,
        }.items()
        if not is_met
    ]
    for bar in missed:
        sys.stderr.write(f"missed: {bar}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
