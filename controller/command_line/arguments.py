"""Options of the controller's command line."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from controller.grafana_links import is_grafana_url
from dhcp_installer.arguments import dhcp_options, ping_option
from exporter.aliases import DEFAULT_PATH
from exporter.listen_address import ListenAddress
from rack.privileges import as_owner_of
from rack.settings import Anonymous

_Command = TypeVar("_Command", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_MAX_PORT = 65535


def _grafana_url(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if text and not is_grafana_url(text):
        raise click.BadParameter(f"{text!r} is not a valid URL such as http://master:3000")
    return text


def _listen_address(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    try:
        address = ListenAddress.parse(text)
    except ValueError:
        address = None
    if address is None or not address.is_fixed:
        raise click.BadParameter(
            f"{text!r} is not a valid address: write ADDRESS:PORT, for example 127.0.0.1:8080 or"
            " [::1]:8080"
        )
    return text


def _ip_address(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> str | None:
    try:
        return text and str(ip_address(text))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a valid IP address") from error


def _option(name: str, default: object, help_text: str, **attributes: Any) -> Any:
    attributes.setdefault("show_default", bool(default))
    return click.option(name, default=default, help=help_text, **attributes)


_OPTIONS = (
    _option("--rack", Path("rack.toml"), "Layout of the rack.", type=_FILE, metavar="FILE"),
    _option("--db", Path("pirack.db"), "Database of the rack.", type=_FILE, metavar="FILE"),
    _option(
        "--targets",
        Path("prometheus/targets"),
        "Folder of the target files of Prometheus.",
        type=_FILE,
        metavar="FOLDER",
    ),
    _option(
        "--listen",
        "127.0.0.1:8080",
        "Listen address. An IPv6 address has brackets.",
        callback=_listen_address,
        metavar="ADDRESS:PORT",
    ),
    _option("--prometheus", "http://127.0.0.1:9090", "Address of Prometheus.", metavar="URL"),
    _option(
        "--blackbox", "127.0.0.1:9115", "Address of blackbox_exporter.", metavar="ADDRESS:PORT"
    ),
    _option("--alertmanager", "127.0.0.1:9093", "Address of Alertmanager.", metavar="ADDRESS:PORT"),
    _option(
        "--alerts-secret",
        None,
        "Bearer token of Alertmanager, created if missing. Default: alerts.secret next to the"
        " database.",
        type=_FILE,
        metavar="FILE",
    ),
    _option(
        "--grafana",
        "",
        "Grafana for browsers. Default: no links to Grafana.",
        callback=_grafana_url,
        metavar="URL",
    ),
    ping_option,
    _option(
        "--aliases",
        DEFAULT_PATH,
        "Aliases file of the rasps.",
        show_default="packaged file",
        type=_FILE,
        metavar="FILE",
    ),
    _option(
        "--ssh-port",
        None,
        "SSH port of the rasps. Default: from the layout.",
        type=click.IntRange(1, _MAX_PORT),
        metavar="PORT",
    ),
    _option(
        "--anonymous",
        None,
        "Role of anonymous requests. Default: from the layout.",
        type=click.Choice(get_args(Anonymous)),
    ),
    _option(
        "--proxy",
        None,
        "Trusted HTTPS proxy. Its X-Forwarded headers are used.",
        callback=_ip_address,
        metavar="ADDRESS",
    ),
    dhcp_options,
)


def controller_options(command: _Command) -> _Command:
    """Add the fields of `ControllerOptions` to a command as options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _use_database(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Set the database. As root, run the command with the rights of the database's owner."""
    if context.obj is None:
        return
    if path is not None:
        context.obj = replace(context.obj, db=path)
    context.with_resource(as_owner_of(context.obj.db.parent))


database_option = click.option(
    "--db",
    type=_FILE,
    metavar="FILE",
    expose_value=False,
    callback=_use_database,
    help="Database of the rack. Default: --db before the command.",
)
