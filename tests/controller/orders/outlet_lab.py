"""Orders on a rack whose rasps have outlets of a simulated device, and one stack with a relay."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from gpiozero.pins.mock import MockFactory
from prometheus_client import CollectorRegistry

from controller.audit import Audit
from controller.claims import StackClaims
from controller.orders.actions import Actions
from controller.orders.blackbox_client import BlackboxClient
from controller.orders.context import OrderContext
from controller.orders.exporter_client import ExporterClient
from controller.orders.metrics import OrderMetrics
from controller.orders.model import Order, OrderRequest, Scope
from controller.orders.service import OrderService
from controller.orders.store import OrderStore
from controller.ssh.pool import SshPool
from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.clock import seconds_since_boot
from rack.database import Database
from rack.layout import GPIO, Slot
from rack.layout_file import parse
from rack.power.drivers.gpio import GpioDriver
from rack.power.edges import Edge
from rack.power.outlets import Outlets
from rack.settings import OrderSettings
from tests.controller.fakes import FakeRackState, installed_rasps
from tests.helpers.layouts import Keys, layout_text, relay_board
from tests.helpers.simulated_outlets import SimulatedDriver
from tests.helpers.waiting import free_network_prefix, free_port, wait_until

POWER_TABLE = """
[power.poe]
driver = "command"
on = ["true", "{address}"]
off = ["true", "{address}"]
"""
STACKS: list[Keys] = [
    {"outlets": ["poe:1", "poe:2"], "x": 0, "y": 0},
    {"outlets": ["poe:3", "poe:4"], "x": 1, "y": 0},
    {"pin": 16, "x": 2, "y": 0},
]


class OutletLab:
    """A rack of three stacks with two rasps each. All rasps are up at first.

    The rasps of stacks 1 and 2 have the outlets `poe:1` to `poe:4`. Those of stack 3 share a relay.

    Args:
        folder: Folder of the database.
        settings: Limits of orders.
        boot_seconds: Time that a rasp takes to boot.
    """

    def __init__(self, folder: Path, settings: OrderSettings, boot_seconds: float) -> None:
        text = layout_text(STACKS, network_prefix=free_network_prefix(), extra_tables=POWER_TABLE)
        rack = parse(text)
        network = rack.network.model_copy(update={"exporter_port": free_port()})
        self.rack = replace(rack, orders=settings, network=network)
        self.device = SimulatedDriver("poe", ["1", "2", "3", "4"])
        self.device.on_switch = self._note_switch
        database = Database(folder / "pirack.db")
        relays = GpioDriver(GPIO, relay_board(rack), factory=MockFactory)
        self.outlets = Outlets(self.rack, database, drivers={"poe": self.device, GPIO: relays})
        self.outlets.switch(dict.fromkeys(self.rack.outlets, True))
        self.device.requests.clear()
        self._boot_seconds = boot_seconds
        self.powered_at: dict[str, float | None] = dict.fromkeys(
            (slot.name for slot in self.rack.slots), seconds_since_boot() - 1000
        )
        self.most_booting = 0
        blackbox = free_port()
        addresses = [("127.0.0.1", blackbox)] + [
            (str(slot.address), network.exporter_port) for slot in self.rack.slots
        ]
        self._servers = [ThreadingHTTPServer(each, self._handler()) for each in addresses]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        actions = Actions(load_aliases(DEFAULT_PATH))
        rasps = installed_rasps(self.rack)
        context = OrderContext(
            self.rack,
            lambda: rasps,
            self.outlets,
            BlackboxClient(f"127.0.0.1:{blackbox}", "icmp", {}),
            ExporterClient(network.exporter_port),
            SshPool(folder / "ssh", free_port()),
            poll_seconds=0.02,
        )
        self.state = FakeRackState(self.rack)
        self.orders = OrderService(
            context,
            actions,
            StackClaims(),
            OrderStore(database),
            Audit(database),
            OrderMetrics(CollectorRegistry(), (each.name for each in actions.for_stacks)),
            self.state.read,
        )

    def submit(self, action: str, scope: Scope, *ids: int, force: bool = False) -> Order:
        return self.orders.submit(OrderRequest(action, scope, ids, force=force), "tester", "")

    def run(self, action: str, scope: Scope, *ids: int, force: bool = False) -> dict[str, str]:
        """Run an order to its end. Return `RESULT: DETAIL` of each target."""
        return self.wait(self.submit(action, scope, *ids, force=force))

    def wait(self, order: Order) -> dict[str, str]:
        """Wait for the end of an order. Return `RESULT: DETAIL` of each target."""
        wait_until(lambda: self.orders.get(order.id).state.is_over)
        return {
            result.target: f"{result.result}: {result.detail}"
            for result in self.orders.get(order.id).results
        }

    @property
    def edges(self) -> list[Edge]:
        """Edges of orders, oldest first."""
        edges = self.outlets.edges.list_recent(100)[::-1]
        return [edge for edge in edges if edge.cause.startswith("order ")]

    @property
    def without_power(self) -> list[str]:
        """Names of the rasps without power."""
        return [slot.name for slot in self.rack.slots if self._boot_time(slot) is None]

    def close(self) -> None:
        self.device.may_reply.set()
        self.orders.close()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _note_switch(self, address: str, is_on: bool) -> None:
        [outlet] = [each for each in self.rack.outlets if each.label == f"poe:{address}"]
        self.powered_at[outlet.name] = seconds_since_boot() if is_on else None
        booting = [
            name
            for name, powered_at in self.powered_at.items()
            if powered_at is not None and seconds_since_boot() < powered_at + self._boot_seconds
        ]
        self.most_booting = max(self.most_booting, len(booting))

    def _boot_time(self, slot: Slot) -> float | None:
        """Return when a rasp boots, or None if it has no power. With a relay, it boots at once."""
        outlet = self.rack.stack(slot.stack).outlet_of(slot)
        if outlet.source == GPIO:
            command = self.outlets.commanded(outlet)
            return command.since if command and command.has_power else None
        powered_at = self.powered_at[slot.name]
        return None if powered_at is None else powered_at + self._boot_seconds

    def _uptime(self, address: str) -> float | None:
        """Return the uptime of the rasp with an address, or None if it is not up."""
        [slot] = [slot for slot in self.rack.slots if str(slot.address) == address]
        boot_time = self._boot_time(slot)
        uptime = -1.0 if boot_time is None else seconds_since_boot() - boot_time
        return None if uptime < 0 else uptime

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        uptime: Callable[[str], float | None] = self._uptime

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/probe":
                    [target] = parse_qs(url.query)["target"]
                    self._reply(f"probe_success {int(uptime(target) is not None)}\n")
                elif (seconds := uptime(self.connection.getsockname()[0])) is not None:
                    self._reply(f"pirack_uptime_seconds {seconds}\n")
                else:
                    self.send_error(503)

            def _reply(self, body: str) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler


@contextmanager
def running_outlet_lab(
    folder: Path, *, boot_seconds: float = 0.2, **settings: float
) -> Iterator[OutletLab]:
    """Start a lab. `settings` are limits of orders."""
    limits = {"off_seconds": 0.3, "boot_seconds": 60, "disk_settle_seconds": 0} | settings
    lab = OutletLab(folder, OrderSettings.model_validate(limits), boot_seconds)
    lab.orders.start()
    try:
        yield lab
    finally:
        lab.close()
