"""Fake rack state, and services for an installed rack without hardware."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from controller.alerts.alertmanager import Alertmanager
from controller.alerts.firing import FiringAlerts
from controller.alerts.received import ReceivedAlerts
from controller.alerts.service import AlertService
from controller.alerts.webhook import WebhookQueue
from controller.auth.access_control import AccessControl
from controller.claims import StackClaims
from controller.doctor.examination import DoctorReport
from controller.doctor.finding import Finding
from controller.doctor.service import Doctor
from controller.experiments.service import ExperimentService
from controller.experiments.store import RunStore
from controller.installation.service import InstallService
from controller.orders.actions import Actions
from controller.orders.blackbox_client import BlackboxClient
from controller.orders.context import OrderContext
from controller.orders.exporter_client import ExporterClient
from controller.orders.metrics import OrderMetrics
from controller.orders.service import OrderService
from controller.orders.store import OrderStore
from controller.reservations.service import ReservationService
from controller.reservations.store import QuotaStore, ReservationStore
from controller.ssh.pool import SshPool
from controller.state.build import STATE_SERIES, build_rack_state
from controller.state.model import PowerState, RackState, RaspOperation
from controller.state.prometheus import Prometheus, Sample
from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.log_sources import LogFile
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.dhcpd.server import AutoReloadServer
from dhcp_installer.discovery.pingers import TcpPinger
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.journal import Journal
from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.clock import Moment, seconds_since_boot
from rack.database import Database
from rack.errors import DatabaseError
from rack.inventory import Inventory, Rasp
from rack.layout import Outlet, Rack
from rack.layout_file import parse
from rack.power.commanded_power import CommandedPower
from rack.power.state import OutletReading
from rack.settings import OrderSettings
from tests.helpers.stack_relays import mock_outlets
from tests.helpers.waiting import free_port

_LAYOUT = Path("rack.toml").read_text(encoding="utf-8")
RACK = parse(_LAYOUT)
LOOPBACK_RACK = parse(_LAYOUT.replace("10.23.", "127.23."))
"""The same rack with loopback addresses. A machine may have a route to the others."""


def installed_rasps(rack: Rack) -> dict[tuple[int, int], Rasp]:
    """Return a rasp for each slot."""
    return {
        (slot.stack, slot.number): Rasp(
            slot.stack,
            slot.number,
            f"b8:27:eb:00:{slot.id >> 8:02x}:{slot.id & 255:02x}",
            slot.address,
        )
        for slot in rack.slots
    }


INSTALLED = installed_rasps(RACK)
MAX_CLOCK_OFFSET_SECONDS = 10


class FakeRackState:
    """State of a rack, and findings, that a test sets. All rasps are installed."""

    def __init__(self, rack: Rack) -> None:
        self._rack = rack
        self.state_values = {slot.name: 1.0 for slot in rack.slots}
        self.temperatures: dict[str, float] = {}
        self.cpu_busy_cores: dict[str, float] = {}
        self.memory_available: dict[str, float] = {}
        self.conditions: dict[str, str] = {}
        self.last_seen: dict[str, float] = {}
        self.last_temperatures: dict[str, float] = {}
        self.operations: dict[int, RaspOperation] = {}
        self.uptimes: dict[str, float] = {}
        self.boot_times: dict[str, float] = {}
        self.clock_offsets: dict[str, float] = {}
        self.power_mismatches: dict[int, str] = {}
        self.commanded: dict[Outlet, CommandedPower] = {}
        self.readings: dict[Outlet, OutletReading] = {}
        self.energy: dict[Outlet, float] = {}
        self.findings: list[Finding] = []
        self.error = ""
        self.is_database_broken = False

    def read(self) -> RackState:
        if self.is_database_broken:
            raise DatabaseError("pirack.db: database disk image is malformed")
        samples = () if self.error else list(self._samples())
        state = build_rack_state(
            self._rack,
            installed_rasps(self._rack),
            samples,
            self.error,
            commanded=self.commanded,
            readings=self.readings,
            energy=self.energy,
            operations=self.operations,
        )
        stacks = tuple(
            replace(
                stack,
                power=PowerState.OFF,
                power_mismatch=self.power_mismatches[stack.stack.number],
            )
            if stack.stack.number in self.power_mismatches
            else stack
            for stack in state.stacks
        )
        return replace(state, stacks=stacks)

    def _samples(self) -> Iterator[Sample]:
        for slot in self._rack.slots:
            labels = {"stack": slot.stack_name, "slot": str(slot.number)}
            for name, values in (
                (STATE_SERIES, self.state_values),
                ("pirack_cpu_temperature_celsius", self.temperatures),
                ("pirack_memory_available_bytes", self.memory_available),
                ("pirack_memory_total_bytes", dict.fromkeys(self.memory_available, 1e9)),
                ("rack_stack_slot:pirack_last_scrape_timestamp_seconds:max", self.last_seen),
                (
                    "rack_stack_slot:pirack_last_cpu_temperature_celsius:max",
                    self.last_temperatures,
                ),
                ("pirack_uptime_seconds", self.uptimes),
                ("pirack_boot_time_seconds", self.boot_times),
                ("rack_stack_slot:pirack_clock_offset_seconds:max", self.clock_offsets),
            ):
                if slot.name in values:
                    yield Sample({"__name__": name, **labels}, values[slot.name])
            if slot.name in self.cpu_busy_cores:
                yield Sample(
                    {"computed": "cpu_busy_cores", **labels}, self.cpu_busy_cores[slot.name]
                )
            if slot.name in self.clock_offsets:
                is_off = abs(self.clock_offsets[slot.name]) > MAX_CLOCK_OFFSET_SECONDS
                yield Sample({"computed": "is_clock_off", **labels}, float(is_off))
            if slot.name in self.conditions:
                condition = {"condition": self.conditions[slot.name], "since": "now"}
                yield Sample({"__name__": "pirack_power_condition", **labels, **condition}, 1.0)


def order_service_for(
    access: AccessControl,
    rack_state: FakeRackState,
    folder: Path,
    registry: CollectorRegistry,
    rack: Rack = LOOPBACK_RACK,
) -> OrderService:
    """Return a service that is not started, for a rack whose rasps do not respond.

    The relays use the mock pins of gpiozero.
    """
    database = Database(folder / "pirack.db")
    settings = OrderSettings(
        boot_seconds=0.1,
        shutdown_seconds=0.1,
        disk_settle_seconds=0.0,
        off_seconds=0.0,
        max_booting=48,
    )
    network = rack.network.model_copy(update={"exporter_port": free_port()})
    rack = replace(rack, orders=settings, network=network)
    rasps = installed_rasps(rack)
    actions = Actions(load_aliases(DEFAULT_PATH))
    unused_address = f"127.0.0.1:{free_port()}"
    context = OrderContext(
        rack,
        lambda: rasps,
        mock_outlets(rack, database),
        BlackboxClient(unused_address, "icmp", {}),
        ExporterClient(network.exporter_port),
        SshPool(folder / "ssh", free_port()),
        poll_seconds=0.05,
    )
    return OrderService(
        context,
        actions,
        StackClaims(),
        OrderStore(database),
        access.audit,
        OrderMetrics(registry, (action.name for action in actions.for_stacks)),
        rack_state.read,
    )


def reservation_service_for(access: AccessControl, folder: Path) -> ReservationService:
    """Return the reservations of the rack. No order or install uses a stack."""
    database = Database(folder / "pirack.db")
    return ReservationService(
        LOOPBACK_RACK,
        ReservationStore(database),
        QuotaStore(database),
        StackClaims(),
        access.audit,
        lambda _: None,
        "boot",
        lambda: Moment(seconds_since_boot(), time.time()),
    )


def experiment_service_for(
    orders: OrderService,
    reservations: ReservationService,
    folder: Path,
    read_state: Callable[[], RackState],
    prometheus: str = "http://127.0.0.1:1",
) -> ExperimentService:
    """Return a service that accepts runs. By default, nothing listens at the URL of Prometheus."""
    experiments = ExperimentService(
        orders,
        reservations,
        RunStore(Database(folder / "pirack.db")),
        CollectorRegistry(),
        Prometheus(prometheus),
        read_state,
        lambda: Moment(seconds_since_boot(), time.time()),
    )
    experiments.start()
    return experiments


def install_service_for(access: AccessControl, folder: Path) -> InstallService:
    """Return a service whose DHCP server logs nothing. Each install fails before a relay moves."""
    database = Database(folder / "pirack.db")
    dhcp = folder / "dhcp"
    dhcp.mkdir()
    (dhcp / "dhcpd.conf").write_text("# test\n")
    (dhcp / "dhcpd.log").touch()
    inventory = Inventory(database)
    inventory.replace(INSTALLED.values())
    dependencies = InstallDependencies(
        RACK,
        mock_outlets(RACK, database),
        inventory,
        Journal(database),
        DhcpConfigFile(
            dhcp / "dhcpd.conf", DhcpdRenderer(RACK, dhcp / "dhcpd.conf"), AutoReloadServer()
        ),
        partial(LogFile, dhcp / "dhcpd.log"),
        partial(TcpPinger, free_port()),
        log_start_timeout=0.1,
    )
    return InstallService(dependencies, StackClaims(), access.audit)


ALERTS_SECRET = "the-secret-of-Alertmanager-and-the-tests"


def doctor_for(findings: Sequence[Finding] = ()) -> Doctor:
    """Return a doctor whose single check has these findings."""
    return Doctor(lambda: DoctorReport(1767225600.0, ("clock",), tuple(findings)))


def alert_service_for(
    received: ReceivedAlerts,
    state: Callable[[], RackState],
    alertmanager: Alertmanager | None = None,
) -> AlertService:
    """Return a service without remediation. By default, it has no Alertmanager."""
    alertmanager = alertmanager or Alertmanager(f"127.0.0.1:{free_port()}", {})
    firing = FiringAlerts(alertmanager, received, lambda _: "", RACK, state)
    return AlertService(firing, WebhookQueue(received, lambda _: None), ALERTS_SECRET)
