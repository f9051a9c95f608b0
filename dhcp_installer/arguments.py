"""Command-line options for the DHCP server and for ping."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.log_sources import LogFile, LogSource, journald_source
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.dhcpd.server import AutoReloadServer, DhcpServer, SystemdDhcpd
from rack.layout import Rack

_Command = TypeVar("_Command", bound=Callable[..., Any])


def dhcp_options(command: _Command) -> _Command:
    """Add --dhcpd-conf, --dhcp-server and --dhcp-log, for `config_file` and `log_factory`."""
    for option in (
        _option(
            "--dhcp-log",
            "journal:isc-dhcp-server",
            "Log of the DHCP server.",
            callback=_validator(log_factory),
            metavar="journal:UNIT|file:PATH",
        ),
        _option(
            "--dhcp-server",
            "unit:isc-dhcp-server",
            "systemd unit of the DHCP server, or auto-reload if the server rereads its file.",
            callback=_validator(_server_factory),
            metavar="unit:UNIT|auto-reload",
        ),
        _option(
            "--dhcpd-conf",
            Path("/etc/dhcp/dhcpd.conf"),
            "Configuration of the DHCP server.",
            type=click.Path(path_type=Path),
            metavar="FILE",
        ),
    ):
        command = option(command)
    return command


def ping_option(command: _Command) -> _Command:
    """Add --ping, for `discovery.pingers.make_pinger`."""
    return _option(
        "--ping",
        "icmp",
        "How to check that a rasp is reachable.",
        callback=_validator(_check_ping),
        metavar="icmp|tcp:PORT",
    )(command)


def config_file(rack: Rack, dhcpd_conf: Path, dhcp_server: str) -> DhcpConfigFile:
    """Return the configuration file of a DHCP server.

    Args:
        rack: The layout.
        dhcpd_conf: Value of --dhcpd-conf.
        dhcp_server: Value of --dhcp-server.
    """
    renderer = DhcpdRenderer(rack, dhcpd_conf)
    return DhcpConfigFile(dhcpd_conf, renderer, _server_factory(dhcp_server)())


def log_factory(dhcp_log: str) -> Callable[[], LogSource]:
    """Return a function that opens the log of --dhcp-log.

    Raises:
        ValueError: If the value is neither journal:UNIT nor file:PATH.
    """
    kind, _, location = dhcp_log.partition(":")
    if kind == "journal" and location:
        return partial(journald_source, location)
    if kind == "file" and location:
        return partial(LogFile, Path(location))
    raise ValueError(f"{dhcp_log!r} is neither journal:UNIT nor file:PATH")


def _server_factory(dhcp_server: str) -> Callable[[], DhcpServer]:
    kind, _, unit = dhcp_server.partition(":")
    if kind == "unit" and unit:
        return partial(SystemdDhcpd, unit)
    if dhcp_server == "auto-reload":
        return AutoReloadServer
    raise ValueError(f"{dhcp_server!r} is neither unit:UNIT nor auto-reload")


def _check_ping(text: str) -> None:
    if not re.fullmatch(r"icmp|tcp:\d{1,5}", text):
        raise ValueError(f"{text!r} is neither icmp nor tcp:PORT")


def _option(
    name: str, default: object, help_text: str, **attributes: Any
) -> Callable[[_Command], _Command]:
    return click.option(name, default=default, help=help_text, show_default=True, **attributes)


def _validator(
    parse: Callable[[str], object],
) -> Callable[[click.Context, click.Parameter, str], str]:
    """Return an option callback that accepts the values that `parse` accepts."""

    def validate(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
        try:
            parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return text

    return validate
