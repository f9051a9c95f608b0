"""`python -m dhcp_installer`: install a rack without a controller."""

import getpass
import json
import signal
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event
from typing import get_args

import click

from dhcp_installer import DEFAULT_STRATEGY, StrategyName, arguments
from dhcp_installer.discovery.pingers import make_pinger
from dhcp_installer.install import installer
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.installer import InstallRequest
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState, Journal
from dhcp_installer.install.progress import ProgressReport
from dhcp_installer.install.terminal import PlainProgress, live_progress
from rack.database import Database
from rack.inventory import Inventory
from rack.layout import Rack
from rack.layout_file import load
from rack.lock import CONTROLLER, DatabaseInUseError, exclusive_access
from rack.power.outlets import Outlets
from rack.terminal import EXIT_FAILED, Command, CommandError

_EXIT_STATUSES = """\b
Exit statuses:
  0    every rasp found replies at its address
  1    the install failed or was stopped, or a rasp does not reply
  2    invalid command line or configuration, or a database error
  130  not confirmed
"""


@click.command(cls=Command, epilog=_EXIT_STATUSES)
@click.option(
    "--rack",
    "layout_path",
    type=click.Path(path_type=Path),
    default=Path("rack.toml"),
    show_default=True,
    metavar="FILE",
    help="Layout of the rack.",
)
@click.option(
    "--db",
    "database_path",
    type=click.Path(path_type=Path),
    default=Path("pirack.db"),
    show_default=True,
    metavar="FILE",
    help="Database of the rack.",
)
@arguments.dhcp_options
@arguments.ping_option
@click.option(
    "--strategy",
    type=click.Choice(get_args(StrategyName)),
    default=DEFAULT_STRATEGY,
    show_default=True,
    help="How to find the rasps. Use one-by-one if they do not reply to ping.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only check, and print the changes to dhcpd.conf for the known rasps.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@click.pass_context
def main(  # noqa: PLR0913 - one parameter for each option
    context: click.Context,
    *,
    layout_path: Path,
    database_path: Path,
    dhcpd_conf: Path,
    dhcp_server: str,
    dhcp_log: str,
    ping: str,
    strategy: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Find the slot of each Raspberry Pi and configure the DHCP server.

    For a master without a controller. If a controller runs, use `pirack install`.
    """
    rack = load(layout_path)
    try:
        with exclusive_access(database_path, "installer"):
            database = Database(database_path)
            with closing(Outlets(rack, database)) as outlets:
                dependencies = InstallDependencies(
                    rack,
                    outlets,
                    Inventory(database),
                    Journal(database),
                    arguments.config_file(rack, dhcpd_conf, dhcp_server),
                    arguments.log_factory(dhcp_log),
                    partial(make_pinger, ping),
                )
                if dry_run:
                    click.echo(installer.preview(dependencies), nl=False)
                    return
                if not yes:
                    _confirm(rack)
                record = _install(dependencies, strategy, as_json=as_json)
    except DatabaseInUseError as error:
        if error.holder == CONTROLLER:
            raise CommandError("the controller is running: use `pirack install`") from error
        raise
    is_ok = record.state is InstallState.DONE and not record.error
    context.exit(0 if is_ok else EXIT_FAILED)


def _confirm(rack: Rack) -> None:
    if not sys.stdin.isatty():
        raise CommandError("an install cuts the power of all stacks: confirm with --yes")
    question = f"Cut the power of all {len(rack.stacks)} stacks of {rack.name} several times?"
    try:
        is_confirmed = click.confirm(question, err=True)
    except click.Abort:
        is_confirmed = False
    if not is_confirmed:
        click.echo("dhcp_installer: not confirmed, nothing was changed", err=True)
        raise KeyboardInterrupt


def _install(dependencies: InstallDependencies, strategy: str, *, as_json: bool) -> InstallRecord:
    """Run an install, print its progress and result, and return its record."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    dependencies.journal.mark_interrupted()
    request = InstallRequest(InstallKind.INSTALL, f"console:{getpass.getuser()}", strategy)
    install_id = installer.create(dependencies, request)
    if as_json:
        record = installer.run(dependencies, request, install_id, _print_json, stop)
        click.echo(json.dumps({"state": record.state, "error": record.error}))
        return record
    with live_progress() if sys.stdout.isatty() else PlainProgress(sys.stdout) as view:
        record = installer.run(dependencies, request, install_id, view.update, stop)
    click.echo(f"{record.outcome}: {record.error}" if record.error else record.outcome)
    return record


def _print_json(report: ProgressReport) -> None:
    click.echo(json.dumps(report.to_json()))


if __name__ == "__main__":
    main()
