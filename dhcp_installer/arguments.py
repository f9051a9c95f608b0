"""The options by which whoever installs is told of DHCP server, log and pings."""

import argparse
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.log_sources import LogFile, LogSource, journald_source
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.dhcpd.server import AutoReloadServer, DhcpServer, SystemdDhcpd
from rack.layout import Rack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them to a command line."""
    add = parser.add_argument
    add(
        "--dhcpd-conf",
        type=Path,
        default=Path("/etc/dhcp/dhcpd.conf"),
        metavar="FILE",
        help="the DHCP server's configuration (%(default)s)",
    )
    add(
        "--dhcp-server",
        type=_parse_server,
        default=_parse_server("unit:isc-dhcp-server"),
        metavar="unit:UNIT|watching",
        help="the unit that systemd starts anew, or a server that reads its file anew by itself"
        " (unit:isc-dhcp-server)",
    )
    add(
        "--dhcp-log",
        type=_parse_log,
        default=_parse_log("journal:isc-dhcp-server"),
        metavar="journal:UNIT|file:PATH",
        help="where the DHCP server logs to (journal:isc-dhcp-server)",
    )


def config_file(options: argparse.Namespace, rack: Rack) -> DhcpConfigFile:
    """Return the configuration file that the options name."""
    path: Path = options.dhcpd_conf
    return DhcpConfigFile(path, DhcpdRenderer(rack, path), options.dhcp_server())


def log_factory(options: argparse.Namespace) -> Callable[[], LogSource]:
    """Return what opens the log that the options name."""
    opened: Callable[[], LogSource] = options.dhcp_log
    return opened


def ping_method(text: str) -> str:
    """Check the option that says how rasps are pinged."""
    if re.fullmatch(r"icmp|tcp:\d{1,5}", text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is neither icmp nor tcp:PORT")


def _parse_server(text: str) -> Callable[[], DhcpServer]:
    kind, _, unit = text.partition(":")
    if kind == "unit" and unit:
        return partial(SystemdDhcpd, unit)
    if text == "watching":
        return AutoReloadServer
    raise argparse.ArgumentTypeError(f"{text!r} is neither unit:UNIT nor watching")


def _parse_log(text: str) -> Callable[[], LogSource]:
    kind, _, where = text.partition(":")
    if kind == "journal" and where:
        return partial(journald_source, where)
    if kind == "file" and where:
        return partial(LogFile, Path(where))
    raise argparse.ArgumentTypeError(f"{text!r} is neither journal:UNIT nor file:PATH")
