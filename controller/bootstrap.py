"""Construction of the controller's components."""

import logging
import re
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from controller import health, power_metrics
from controller.alerts import service as alert_service
from controller.alerts.remediation import Remediation
from controller.alerts.secret import basic_authorization, load_or_create
from controller.audit import BACKUP_ACTION
from controller.auth.access_control import AccessControl
from controller.cache import SingleFlightCache
from controller.claims import StackClaims
from controller.dependencies import Dependencies
from controller.doctor.checks import DoctorSources, all_checks
from controller.doctor.examination import Examiner
from controller.doctor.service import Doctor
from controller.experiments.service import ExperimentService
from controller.experiments.store import RunStore
from controller.grafana_links import GrafanaLinks
from controller.installation import metrics as installation_metrics
from controller.installation.rasp_ssh import RaspSsh
from controller.installation.service import InstallService
from controller.master import metrics
from controller.master.info import MasterInfo
from controller.master.services import is_dhcp_server_active, monitored_services
from controller.options import ControllerOptions
from controller.orders.actions import Actions
from controller.orders.blackbox_client import BlackboxClient
from controller.orders.context import OrderContext
from controller.orders.exporter_client import ExporterClient
from controller.orders.metrics import OrderMetrics
from controller.orders.service import OrderService
from controller.orders.store import OrderStore
from controller.outlet_monitor import OutletMonitor
from controller.periodic import PeriodicThread
from controller.power_return import PowerReturn
from controller.prometheus_targets import ServiceAddresses, TargetFiles
from controller.reservations.metrics import ReservationCollector
from controller.reservations.service import ReservationService
from controller.reservations.store import QuotaStore, ReservationStore
from controller.ssh.pool import SshPool
from controller.state.history import RaspHistory
from controller.state.latest import LatestState
from controller.state.outlets import describe_outlet_difference
from controller.state.prometheus import Prometheus
from controller.state.quarantine import Quarantine
from controller.state.reader import RackStateReader
from controller.web import allowed_hosts
from dhcp_installer import arguments as dhcp_arguments
from dhcp_installer.discovery.pingers import make_pinger
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.journal import Journal
from exporter.aliases import Aliases
from exporter.listen_address import ListenAddress
from rack.clock import read_boot_id
from rack.database import Database
from rack.gpio.persistence import NOT_PERSISTENT, persists_outputs
from rack.inventory import Inventory
from rack.layout import GPIO, Rack
from rack.power.outlets import Outlets

_MASTER_INFO_MAX_AGE = 2.0
_DHCP_SERVER_MAX_AGE = 30.0  # a check starts a process, and Prometheus scrapes every 5 s

_log = logging.getLogger("controller")


@dataclass(frozen=True)
class ControllerComponents:
    """Components of a controller before its start."""

    dependencies: Dependencies
    target_files: TargetFiles
    outlet_monitor: OutletMonitor
    power_return: PowerReturn
    reservation_thread: PeriodicThread
    state_thread: PeriodicThread


def build_controller(
    options: ControllerOptions, rack: Rack, aliases: Aliases, database: Database, outlets: Outlets
) -> ControllerComponents:
    """Build the components. No thread is started.

    Args:
        options: Options of the command line.
        rack: Layout of the rack.
        aliases: Aliases and actions of the rasps.
        database: Database of the rack.
        outlets: Outlets of the stacks and rasps.

    Raises:
        DatabaseError: If pirack.db cannot be used.
        SecretError: If the secret of the alerts can be neither read nor created.
    """
    inventory = Inventory(database)
    persists = persists_outputs()
    if persists is False:
        _log.warning("%s: see docs/how-to/wiring.md", NOT_PERSISTENT)
    for outlet, power in outlets.all_commanded().items():
        if power.outlet_differs:
            _log.warning("%s: %s", outlet.target, describe_outlet_difference(outlet, power))
    secret = load_or_create(options.alerts_secret_path)
    prometheus = Prometheus(options.prometheus)
    claims = StackClaims()
    registry = CollectorRegistry()
    health.register_metrics(registry, rack, inventory)
    dhcp_server = SingleFlightCache(
        partial(is_dhcp_server_active, options.dhcp_server), max_age=_DHCP_SERVER_MAX_AGE
    )
    metrics.register_metrics(registry, options.db.parent, dhcp_server.get)
    monitor = OutletMonitor(rack, outlets)
    power_metrics.register_metrics(
        registry, rack, outlets, monitor, claims=claims, gpio_persists=persists
    )
    access = AccessControl(
        database,
        anonymous=options.anonymous or rack.access.anonymous,
        master_addresses={
            str(rack.network.master),
            str(ListenAddress.parse(options.listen).host),
        },
    )
    state_reader = RackStateReader(
        rack,
        inventory,
        prometheus,
        registry,
        commanded=outlets.all_commanded,
        readings=monitor.readings,
        energy=monitor.energy,
        reserved_by=claims.holders,
        operations=claims.operations,
    )
    state = LatestState(state_reader)
    headers = basic_authorization(secret)
    services = monitored_services(options, headers)
    master = SingleFlightCache(
        MasterInfo(options.db.parent, services).read, max_age=_MASTER_INFO_MAX_AGE
    )
    target_files = TargetFiles(
        options.targets,
        rack,
        inventory,
        _service_addresses(options),
        quarantined=Quarantine(rack.name, prometheus).rasps,
    )
    actions = Actions(aliases)
    ssh_folder, ssh_port = options.db.parent / "ssh", options.ssh_port or rack.network.ssh_port
    orders = OrderService(
        OrderContext(
            rack,
            inventory.rasps,
            outlets,
            BlackboxClient(options.blackbox, options.ping, headers),
            ExporterClient(rack.network.exporter_port),
            SshPool(ssh_folder, ssh_port),
        ),
        actions,
        claims,
        OrderStore(database),
        access.audit,
        OrderMetrics(registry, (action.name for action in actions.for_stacks)),
        state.get,
    )
    rasp_ssh = RaspSsh(ssh_folder, ssh_port)
    installation = InstallService(
        InstallDependencies(
            rack,
            outlets,
            inventory,
            Journal(database),
            dhcp_arguments.config_file(rack, options.dhcpd_conf, options.dhcp_server),
            dhcp_arguments.log_factory(options.dhcp_log),
            partial(make_pinger, options.ping),
            sync=rasp_ssh.sync,
            update_prometheus_targets=target_files.try_update,
            move_host_keys=rasp_ssh.move_host_keys,
            pin_host_keys=rasp_ssh.pin_host_keys,
        ),
        claims,
        access.audit,
    )
    installation_metrics.register_metrics(registry, installation)
    power_return = PowerReturn(rack, outlets, claims.holders, orders.submit)
    reservations = ReservationService(
        rack,
        ReservationStore(database),
        QuotaStore(database),
        claims,
        access.audit,
        power_return.switch_on,
        read_boot_id(),
        outlets.now,
    )
    claims.restrict(reservations.require_access)
    registry.register(ReservationCollector(reservations))
    experiments = ExperimentService(
        orders,
        reservations,
        RunStore(database),
        registry,
        prometheus,
        state.get,
        outlets.now,
        measure_outlets=monitor.measure,
    )
    doctor_sources = DoctorSources(
        rack=rack,
        options=options,
        state=state.get,
        rasp_count=lambda: len(inventory.rasps()),
        newest_backup=partial(access.audit.newest, BACKUP_ACTION),
        services=services,
        headers=headers,
        relay_error=lambda: outlets.source_errors.get(GPIO, ""),
    )
    dependencies = Dependencies(
        state=state.get,
        prepare_states=state.prepare_with,
        master=master.get,
        doctor=Doctor(Examiner(all_checks(doctor_sources)).examine),
        registry=registry,
        access=access,
        orders=orders,
        reservations=reservations,
        experiments=experiments,
        installation=installation,
        alerts=alert_service.build(
            options.alertmanager,
            secret,
            Remediation(rack.remediation, orders, state.get),
            rack,
            state.get,
        ),
        history=RaspHistory(rack.name, prometheus),
        allowed_hosts=allowed_hosts.local_host_names().union(rack.access.hosts),
        grafana=GrafanaLinks(options.grafana),
    )
    return ControllerComponents(
        dependencies,
        target_files,
        monitor,
        power_return,
        reservations.make_thread(),
        state.make_thread(),
    )


def loopback_address(listen: str) -> str:
    """Return an address for programs on the master, if the controller listens on all addresses."""
    return re.sub(r"^0\.0\.0\.0:", "127.0.0.1:", listen.replace("[::]:", "[::1]:"))


def _service_addresses(options: ControllerOptions) -> ServiceAddresses:
    return ServiceAddresses(
        controller=loopback_address(options.listen),
        prometheus=urlsplit(options.prometheus).netloc,
        blackbox=options.blackbox,
        alertmanager=options.alertmanager,
        ping_method=options.ping,
    )
