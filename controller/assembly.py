"""The assembly: a controller's parts, made for a rack as the command line says."""

import argparse
import logging
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from controller import health, hosts, master_metrics, power
from controller.access import Access
from controller.alerts import desk as alert_desk
from controller.alerts.remedies import Remedies
from controller.grafana import Grafana
from controller.installation import metrics as installation_metrics
from controller.installation.installation import Installation
from controller.installation.ssh import RaspsBySsh
from controller.master import (
    Master,
    grafana_service,
    metrics_service,
    prometheus_service,
    unit_service,
)
from controller.orders.actions import Actions
from controller.orders.book import OrderBook
from controller.orders.metrics import OrderMetrics
from controller.orders.orders import Orders
from controller.orders.ping import Ping
from controller.orders.reading import Exporters
from controller.orders.site import Site
from controller.parts import Parts
from controller.prometheus import Prometheus
from controller.records import Records
from controller.reservations import Reservations
from controller.shared import Shared
from controller.ssh import Ssh
from controller.targets import Services, TargetFiles
from controller.watch import Watch
from dhcp_installer import options as install_options
from dhcp_installer.journal import Journal
from dhcp_installer.pings import pinger
from dhcp_installer.world import World
from exporter.aliases import Aliases
from rack.database import Database
from rack.inventory import Inventory
from rack.kernel_gpio import persists_outputs
from rack.layout import Rack
from rack.relays import Relays

_STATE_FRESH_SECONDS = 1.0
_PAGE_FRESH_SECONDS = 0.25  # a page that asks twice a second shows within one what is new
_MASTER_FRESH_SECONDS = 2.0

_log = logging.getLogger("controller")


@dataclass(frozen=True)
class Controller:
    """A controller that does not run yet: its parts, its database and its target files."""

    parts: Parts
    database: Database
    targets: TargetFiles


def assemble(options: argparse.Namespace, rack: Rack, aliases: Aliases) -> Controller:
    """Make a controller. It takes over the relays as they are; no thread is started.

    Args:
        options: the command line's.
        rack: the layout.
        aliases: what the rasps can be read and ordered.

    Raises:
        DatabaseError: pirack.db cannot be used.
        SecretError: the secret of the alerts can neither be read nor made.
    """
    database = Database(options.db)
    inventory = Inventory(database)
    relays = Relays(rack, database)
    if relays.trouble:
        _log.warning("%s; the stacks' power is unknown", relays.trouble)
    prometheus = Prometheus(options.prometheus)
    reservations = Reservations()
    registry = CollectorRegistry()
    health.describe(registry, rack, inventory)
    master_metrics.describe(registry, options.db.parent)
    power.describe(registry, rack, relays, reservations=reservations, persists=persists_outputs())
    access = Access(
        database,
        anonymous=options.anonymous or rack.access.anonymous,
        own_addresses={str(rack.network.master), options.listen.rpartition(":")[0]},
    )
    watch = Watch(
        rack,
        inventory,
        prometheus,
        registry,
        commanded=relays.all_commanded,
        busy=reservations.holders,
    )
    state = Shared(watch.state, fresh_for=_STATE_FRESH_SECONDS)
    targets = TargetFiles(options.targets, rack, inventory, _services(options))
    actions = Actions(aliases)
    ssh_folder, ssh_port = options.db.parent / "ssh", options.ssh_port or rack.network.ssh_port
    orders = Orders(
        Site(
            rack,
            inventory.rasps,
            relays,
            Ping(options.blackbox, options.ping),
            Exporters(rack.network.exporter_port),
            Ssh(ssh_folder, ssh_port),
        ),
        actions,
        reservations,
        OrderBook(database),
        access.audit,
        OrderMetrics(registry, (action.name for action in actions.of_stacks)),
        state.get,
    )
    by_ssh = RaspsBySsh(ssh_folder, ssh_port)
    installation = Installation(
        World(
            rack,
            relays,
            inventory,
            Journal(database),
            install_options.configuration(options, rack),
            install_options.log(options),
            partial(pinger, options.ping),
            sync=by_ssh.sync,
            keep_targets=targets.keep,
            move_host_keys=by_ssh.move_host_keys,
            pin_host_keys=by_ssh.pin_host_keys,
        ),
        reservations,
        access.audit,
    )
    installation_metrics.describe(registry, installation)
    parts = Parts(
        state=state.get,
        fresh_state=partial(state.get, _PAGE_FRESH_SECONDS),
        master=Shared(_master(options, prometheus).read, fresh_for=_MASTER_FRESH_SECONDS).get,
        registry=registry,
        access=access,
        orders=orders,
        installation=installation,
        alerts=alert_desk.make(
            options.alertmanager,
            options.alerts_secret or options.db.with_name("alerts.secret"),
            Remedies(rack.remedies, orders, state.get),
        ),
        records=Records(rack.name, prometheus),
        names=hosts.own_names().union(rack.access.hosts),
        grafana=Grafana(options.grafana),
    )
    return Controller(parts, database, targets)


def _services(options: argparse.Namespace) -> Services:
    return Services(
        # Where the programs on the master reach what listens everywhere.
        controller=options.listen.replace("0.0.0.0:", "127.0.0.1:"),
        prometheus=urlsplit(options.prometheus).netloc,
        blackbox=options.blackbox,
        alertmanager=options.alertmanager,
        ping=options.ping,
    )


def _master(options: argparse.Namespace, prometheus: Prometheus) -> Master:
    return Master(
        options.db.parent,
        [
            unit_service("dhcpd", "isc-dhcp-server.service"),
            prometheus_service(prometheus),
            metrics_service("alertmanager", options.alertmanager),
            metrics_service("blackbox", options.blackbox),
            *([grafana_service(options.grafana)] if options.grafana else []),
        ],
    )
