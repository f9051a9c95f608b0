"""`python -m controller`: serve the rack's state until SIGTERM or Ctrl-C.

With a command it looks after users, tokens and SSH keys, or shows the audit.
"""

import argparse
import logging
import re
import signal
import sys
import threading
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any, get_args
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from waitress.server import create_server

from controller import console, health, hosts, master_metrics, power
from controller.access import Access
from controller.app import create_app
from controller.grafana import Grafana, is_url
from controller.master import Master, metrics_service, prometheus_service, unit_service
from controller.prometheus import Prometheus
from controller.records import Records
from controller.reservations import Reservations
from controller.targets import Services, TargetFiles
from controller.watch import Watch
from rack.database import Database
from rack.errors import RackError
from rack.inventory import Inventory
from rack.kernel_gpio import persists_outputs
from rack.layout import Anonymous, Rack
from rack.layout_file import load
from rack.lock import CONTROLLER, alone
from rack.relays import Relays

_UPDATE_SECONDS = 1.0
_THREADS = 8

_log = logging.getLogger("controller")


def main(arguments: list[str] | None = None) -> int:
    """Do as the command line asks for; return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of each connection
    try:
        if options.run:
            options.run(options)
            return 0
        rack = load(options.rack)
        with alone(options.db, CONTROLLER):
            return _serve(options, rack)
    except RackError as error:
        print(error, file=sys.stderr)
        return 2


def _serve(options: argparse.Namespace, rack: Rack) -> int:
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
    app = create_app(
        watch.state,
        master.read,
        registry,
        access,
        Records(rack.name, prometheus),
        hosts.own_names().union(rack.access.hosts),
        Grafana(options.grafana),
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
    updater.start()
    _log.info("%s is at http://%s", rack.name, options.listen)
    try:
        server.run()
    finally:
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


def _ping(text: str) -> str:
    if re.fullmatch(r"icmp|tcp:\d{1,5}", text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is neither icmp nor tcp:PORT")


def _grafana(text: str) -> str:
    if not text or is_url(text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is no URL such as http://master:3000")


def _port(text: str) -> int:
    if re.fullmatch(r"\d{1,5}", text) and 1 <= int(text) <= 65535:  # noqa: PLR2004
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to 65535")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controller", description=__doc__)
    add = parser.add_argument
    add("--rack", type=Path, default=Path("rack.toml"), help="the layout (%(default)s)")
    add("--db", type=Path, default=Path("pirack.db"), help="the inventory (%(default)s)")
    add(
        "--targets",
        type=Path,
        default=Path("prometheus/targets"),
        metavar="FOLDER",
        help="where Prometheus looks for its targets (%(default)s)",
    )
    add("--listen", default="127.0.0.1:8080", metavar="ADDRESS:PORT", help="%(default)s")
    add("--prometheus", default="http://127.0.0.1:9090", metavar="URL", help="%(default)s")
    add("--blackbox", default="127.0.0.1:9115", metavar="ADDRESS:PORT", help="%(default)s")
    add("--alertmanager", default="127.0.0.1:9093", metavar="ADDRESS:PORT", help="%(default)s")
    add(
        "--grafana",
        default="",
        type=_grafana,
        metavar="URL",
        help="where browsers reach Grafana, for the pages' links to it (default: no links)",
    )
    add(
        "--ping",
        default="icmp",
        type=_ping,
        metavar="icmp|tcp:PORT",
        help="how blackbox_exporter sees that a rasp is there (%(default)s)",
    )
    add(
        "--ssh-port",
        type=_port,
        metavar="PORT",
        help="where the rasps' SSH servers listen (default: as the layout says)",
    )
    add(
        "--anonymous",
        choices=get_args(Anonymous),
        help="what those may do who have not logged in (default: as the layout says)",
    )
    add(
        "--proxy",
        type=_address,
        metavar="ADDRESS",
        help="believe this HTTPS proxy's X-Forwarded headers",
    )
    console.add_commands(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
