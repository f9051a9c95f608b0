"""The command line of the controller: its options, and what they may be."""

import argparse
import re
from ipaddress import ip_address
from pathlib import Path
from typing import get_args

from controller.command_line import admin
from controller.pages.grafana_links import is_grafana_url
from dhcp_installer import arguments
from exporter.aliases import DEFAULT_PATH
from rack.layout import Anonymous

_DESCRIPTION = """Serve the rack's state until SIGTERM or Ctrl-C.

With a command it looks after users and tokens, or shows the audit."""


def _grafana_url(text: str) -> str:
    if not text or is_grafana_url(text):
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


def build_parser() -> argparse.ArgumentParser:
    """Return what reads the controller's command line."""
    made = argparse.ArgumentParser(prog="python -m controller", description=_DESCRIPTION)
    add = made.add_argument
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
        "--alerts-secret",
        type=Path,
        metavar="FILE",
        help="what Alertmanager says to be let in; made if it is missing"
        " (default: alerts.secret beside the inventory)",
    )
    add(
        "--grafana",
        default="",
        type=_grafana_url,
        metavar="URL",
        help="where browsers reach Grafana, for the pages' links to it (default: no links)",
    )
    add(
        "--ping",
        default="icmp",
        type=arguments.ping_method,
        metavar="icmp|tcp:PORT",
        help="how blackbox_exporter and installs see that a rasp is there (%(default)s)",
    )
    add(
        "--aliases",
        type=Path,
        default=DEFAULT_PATH,
        metavar="FILE",
        help="the aliases file that the rasps have (default: the packaged one)",
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
    arguments.add_arguments(made)
    admin.add_commands(made)
    return made
