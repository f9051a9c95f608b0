"""A rack that is as a test says."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from gpiozero.pins.mock import MockFactory
from prometheus_client import CollectorRegistry

from controller.access import Access
from controller.alerts.alertmanager import Alertmanager
from controller.alerts.alerts import Alerts
from controller.alerts.desk import AlertDesk
from controller.alerts.told import Told
from controller.alerts.webhook import Webhook
from controller.decide import STATE_SERIES, decide
from controller.installation.installation import Installation
from controller.orders.actions import Actions
from controller.orders.book import OrderBook
from controller.orders.metrics import OrderMetrics
from controller.orders.orders import Orders
from controller.orders.ping import Ping
from controller.orders.reading import Exporters
from controller.orders.site import Site
from controller.prometheus import Sample
from controller.reservations import Reservations
from controller.ssh import Ssh
from controller.state import Power, RackState
from dhcp_installer.configuration import Configuration
from dhcp_installer.dhcp_server import WatchingServer
from dhcp_installer.dhcpd_conf import DhcpdConf
from dhcp_installer.journal import Journal
from dhcp_installer.log_sources import LogFile
from dhcp_installer.pings import Tcp
from dhcp_installer.world import World as InstallWorld
from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.database import Database
from rack.errors import DatabaseError
from rack.inventory import Inventory, Rasp
from rack.layout import OrderRules
from rack.layout_file import load
from rack.relays import Relays
from tests.waiting import free_port

RACK = load(Path("rack.toml"))
INSTALLED = {
    (slot.stack, slot.number): Rasp(
        slot.stack, slot.number, f"b8:27:eb:00:00:{slot.id:02x}", slot.address
    )
    for slot in RACK.slots
}


class World:
    """What the application under test is told about the rack."""

    def __init__(self) -> None:
        self.values = {slot.name: 1.0 for slot in RACK.slots}
        self.temperatures: dict[str, float] = {}
        self.cores: dict[str, float] = {}
        self.memory_available: dict[str, float] = {}
        self.conditions: dict[str, str] = {}
        self.disagreements: dict[int, str] = {}
        self.trouble = ""
        self.is_database_broken = False

    def state(self) -> RackState:
        if self.is_database_broken:
            raise DatabaseError("pirack.db: database disk image is malformed")
        samples = () if self.trouble else list(self._samples())
        now = decide(RACK, INSTALLED, samples, self.trouble)
        stacks = [
            replace(each, power=Power.OFF, disagreement=self.disagreements[each.stack.number])
            if each.stack.number in self.disagreements
            else each
            for each in now.stacks
        ]
        return replace(now, stacks=tuple(stacks)) if self.disagreements else now

    def _samples(self) -> Iterator[Sample]:
        for slot in RACK.slots:
            place = {"stack": f"{slot.stack:02}", "slot": str(slot.number)}
            for name, values in (
                (STATE_SERIES, self.values),
                ("pirack_cpu_temperature_celsius", self.temperatures),
                ("pirack_memory_available_bytes", self.memory_available),
                ("pirack_memory_total_bytes", dict.fromkeys(self.memory_available, 1e9)),
            ):
                if slot.name in values:
                    yield Sample({"__name__": name, **place}, values[slot.name])
            if slot.name in self.cores:
                yield Sample({"computed": "cpu_busy_cores", **place}, self.cores[slot.name])
            if slot.name in self.conditions:
                condition = {"condition": self.conditions[slot.name], "since": "now"}
                yield Sample({"__name__": "pirack_power_condition", **place, **condition}, 1.0)


def orders_of(access: Access, world: World, folder: Path, registry: CollectorRegistry) -> Orders:
    """Return orders for a rack that nobody answers in: no ping, no exporter, no SSH server.

    Its relays are real, on gpiozero's mock pins. The orders are still to be started.
    """
    database = Database(folder / "pirack.db")
    rules = OrderRules(0.1, 0.1, 0.0, 0.0, booting_at_once=48)
    rack = replace(RACK, orders=rules)
    actions = Actions(load_aliases(DEFAULT_PATH))
    nobody = f"127.0.0.1:{free_port()}"
    site = Site(
        rack,
        lambda: INSTALLED,
        Relays(rack, database, factory=MockFactory),
        Ping(nobody, "icmp"),
        Exporters(free_port()),
        Ssh(folder / "ssh"),
        poll_seconds=0.05,
    )
    return Orders(
        site,
        actions,
        Reservations(),
        OrderBook(database),
        access.audit,
        OrderMetrics(registry, (action.name for action in actions.of_stacks)),
        world.state,
    )


def installation_of(access: Access, folder: Path) -> Installation:
    """Return installs of a rack whose DHCP server says nothing: each fails before a relay moves."""
    database = Database(folder / "pirack.db")
    dhcp = folder / "dhcp"
    dhcp.mkdir()
    (dhcp / "dhcpd.conf").write_text("# ours\n")
    (dhcp / "dhcpd.log").touch()
    inventory = Inventory(database)
    inventory.replace(INSTALLED.values())
    world = InstallWorld(
        RACK,
        Relays(RACK, database, factory=MockFactory),
        inventory,
        Journal(database),
        Configuration(dhcp / "dhcpd.conf", DhcpdConf(RACK, dhcp / "dhcpd.conf"), WatchingServer()),
        partial(LogFile, dhcp / "dhcpd.log"),
        partial(Tcp, free_port()),
        log_seconds=0.1,
    )
    return Installation(world, Reservations(), access.audit)


ALERTS_SECRET = "the-secret-of-Alertmanager-and-the-tests"


def desk_of(told: Told) -> AlertDesk:
    """Return where alerts come in; there is no Alertmanager to be asked, and no remedy."""
    alerts = Alerts(Alertmanager(f"127.0.0.1:{free_port()}"), told, lambda _: "")
    return AlertDesk(alerts, Webhook(told, lambda _: None), ALERTS_SECRET)
