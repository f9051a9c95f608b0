"""`python -m controller`: serve the rack's state until SIGTERM or Ctrl-C.

With a command it looks after users, tokens and SSH keys, or shows the audit.
"""

import argparse
import gc
import logging
import signal
import sys
import threading
from functools import partial
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from waitress.server import create_server

from controller import command_line, console, health, hosts, master_metrics, power
from controller.access import Access
from controller.alerts import desk as alert_desk
from controller.alerts.remedies import Remedies
from controller.app import create_app
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
from exporter.aliases import Aliases, AliasesError
from exporter.aliases import load as load_aliases
from rack.database import Database
from rack.errors import RackError
from rack.inventory import Inventory
from rack.kernel_gpio import persists_outputs
from rack.layout import Rack
from rack.layout_file import load
from rack.lock import CONTROLLER, alone
from rack.relays import Relays

_UPDATE_SECONDS = 1.0
_THREADS = 16
_STATE_FRESH_SECONDS = 1.0
_PAGE_FRESH_SECONDS = 0.25  # a page that asks twice a second shows within one what is new
_MASTER_FRESH_SECONDS = 2.0

_log = logging.getLogger("controller")


def main(arguments: list[str] | None = None) -> int:
    """Do as the command line asks for; return the exit status."""
    options = command_line.parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of each connection
    try:
        if options.run:
            options.run(options)
            return 0
        rack, aliases = load(options.rack), load_aliases(options.aliases)
        with alone(options.db, CONTROLLER):
            return _serve(options, rack, aliases)
    except (RackError, AliasesError) as error:
        print(error, file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace, rack: Rack, aliases: Aliases) -> int:
    database = Database(options.db)
    inventory = Inventory(database)
    relays = Relays(rack, database)
    if relays.trouble:
        _log.warning("%s; the stacks' power is unknown", relays.trouble)
    prometheus = Prometheus(options.prometheus)
    registry = CollectorRegistry()
    health.describe(registry, rack, inventory)
    master_metrics.describe(registry, options.db.parent)
    reservations = Reservations()
    power.describe(registry, rack, relays, reservations=reservations, persists=persists_outputs())
    targets = TargetFiles(
        options.targets,
        rack,
        inventory,
        Services(
            controller=_reached(options.listen),
            prometheus=urlsplit(prometheus.url).netloc,
            blackbox=options.blackbox,
            alertmanager=options.alertmanager,
            ping=options.ping,
        ),
    )
    master = Master(
        options.db.parent,
        [
            unit_service("dhcpd", "isc-dhcp-server.service"),
            prometheus_service(prometheus),
            metrics_service("alertmanager", options.alertmanager),
            metrics_service("blackbox", options.blackbox),
            *([grafana_service(options.grafana)] if options.grafana else []),
        ],
    )
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
    desk = alert_desk.make(
        options.alertmanager,
        options.alerts_secret or options.db.with_name("alerts.secret"),
        Remedies(rack.remedies, orders, state.get),
    )
    app = create_app(
        state.get,
        Shared(master.read, fresh_for=_MASTER_FRESH_SECONDS).get,
        registry,
        access,
        orders,
        installation,
        desk,
        Records(rack.name, prometheus),
        names=hosts.own_names().union(rack.access.hosts),
        grafana=Grafana(options.grafana),
        fresh_state=partial(state.get, _PAGE_FRESH_SECONDS),
    )
    try:
        server = create_server(
            app, listen=options.listen, threads=_THREADS, **_proxy_settings(options.proxy)
        )
    except (OSError, ValueError) as error:
        print(f"--listen {options.listen}: {error}: choose another", file=sys.stderr)
        return 2
    console.Console(database).make_first_user()
    stop = threading.Event()
    updater = threading.Thread(target=_keep_updated, args=(targets, stop), name="targets")

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    orders.start()
    desk.webhook.start()
    updater.start()
    _log.info("%s is at http://%s", rack.name, options.listen)
    gc.collect()
    gc.freeze()  # what is there by now stays; to look through it each time would hold up pages
    try:
        server.run()
    finally:
        desk.webhook.close()
        installation.close()
        orders.close()
        stop.set()
        updater.join()
    return 0


def _reached(listen: str) -> str:
    """Return where the programs on the master reach what listens on `ADDRESS:PORT`."""
    return listen.replace("0.0.0.0:", "127.0.0.1:")


def _proxy_settings(proxy: str | None) -> dict[str, Any]:
    """Return what waitress is told of an HTTPS proxy; of any other, headers are not believed."""
    if proxy is None:
        return {"clear_untrusted_proxy_headers": True}
    return {
        "clear_untrusted_proxy_headers": True,
        "trusted_proxy": proxy,
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"},
    }


def _keep_updated(targets: TargetFiles, stop: threading.Event) -> None:
    trouble = ""
    while True:
        try:
            targets.update()
            trouble = ""
        except (OSError, RackError) as error:
            if str(error) != trouble:  # told once, not once a second
                trouble = str(error)
                _log.error("the target files cannot be brought up to date: %s", trouble)
        if stop.wait(_UPDATE_SECONDS):
            return


if __name__ == "__main__":
    sys.exit(main())
