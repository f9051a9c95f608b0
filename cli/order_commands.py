"""Commands that submit orders."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli import actions, confirm, order_tables, output, progress
from cli.actions import PING
from cli.api_client import ApiClient
from cli.completion import complete_action, complete_target
from cli.models import ApiAction, ApiOrder, ApiPreview
from cli.output import as_json_option
from cli.power_targets import fetch_power_targets
from rack.terminal import EXIT_FAILED

_Fields = dict[str, object]
_Command = TypeVar("_Command", bound=Callable[..., Any])

_targets_argument = click.argument(
    "targets", nargs=-1, required=True, shell_complete=complete_target
)


def _order_options(command: _Command) -> _Command:
    for option in (confirm.no_wait_option, confirm.yes_option, as_json_option):
        command = option(command)
    return command


@click.command(epilog=output.TARGETS_HELP)
@_targets_argument
@as_json_option
@click.pass_context
def ping(context: click.Context, targets: tuple[str, ...], *, as_json: bool) -> None:
    """Ping TARGETS."""
    client = context.obj()
    fields: _Fields = {"ids": _resolve_rasp_ids(client, targets), "action": PING}
    context.exit(_submit(client, "rasps", fields, wait=True, as_json=as_json))


@click.command(epilog=output.TARGETS_HELP)
@click.argument("name", shell_complete=complete_action)
@_targets_argument
@_order_options
@click.pass_context
def run(
    context: click.Context,
    name: str,
    targets: tuple[str, ...],
    *,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Run an action on TARGETS, or read an alias.

    NAME is an action such as uptime, an alias such as cpu_temperature_celsius, or a part that
    occurs in only one name, such as temperature.
    """
    _run_action(context, name, targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command(epilog=output.TARGETS_HELP)
@_targets_argument
@_order_options
@click.pass_context
def reboot(
    context: click.Context, targets: tuple[str, ...], *, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Reboot TARGETS."""
    _run_action(context, "reboot", targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command(epilog=output.TARGETS_HELP)
@_targets_argument
@_order_options
@click.pass_context
def shutdown(
    context: click.Context, targets: tuple[str, ...], *, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Shut down TARGETS. To start the rasps again, power-cycle their stacks."""
    _run_action(context, "shutdown", targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command(epilog=output.TARGETS_HELP)
@_targets_argument
@confirm.no_wait_option
@as_json_option
@click.pass_context
def identify(
    context: click.Context, targets: tuple[str, ...], *, no_wait: bool, as_json: bool
) -> None:
    """Blink the activity LED of TARGETS."""
    _run_action(context, "identify", targets, yes=False, wait=not no_wait, as_json=as_json)


@click.command()
@click.argument("mode", type=click.Choice(["on", "off", "cycle"]), metavar="on|off|cycle")
@_targets_argument
@click.option("--force", is_flag=True, help="Cut power without a shutdown.")
@click.option("--dry-run", is_flag=True, help="Only list the affected rasps.")
@_order_options
@click.pass_context
def power(
    context: click.Context,
    mode: str,
    targets: tuple[str, ...],
    *,
    force: bool,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Switch the power of TARGETS, such as 3, 7..9 or all.

    TARGETS are whole stacks, or rasps with outlets of their own, such as 3/2 or 03-2. off shuts
    down the rasps, verifies that they are down, and cuts power. cycle switches targets off, and
    then on.
    """
    client = context.obj()
    scope, ids = fetch_power_targets(client, targets)
    fields: _Fields = {"ids": ids, "action": f"power_{mode}", "force": force}
    if dry_run:
        preview = client.post(f"{scope}/execute", ApiPreview, **fields, dry_run=True)
        output.print_response(preview, order_tables.order_preview, as_json=as_json)
        return
    if mode != "on" and not yes:
        _confirm(client, scope, fields)
    context.exit(_submit(client, scope, fields, wait=not no_wait, as_json=as_json))


def _run_action(
    context: click.Context,
    name: str,
    targets: tuple[str, ...],
    *,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    client: ApiClient = context.obj()
    available = actions.list_options(client.get("rasps/options", list[ApiAction]).data)
    option = actions.resolve(name, available)
    fields: _Fields = {
        "ids": _resolve_rasp_ids(client, targets),
        "action": option.action,
    }
    if option.alias is not None:
        fields["alias"] = option.alias
    if option.is_disruptive and not yes:
        _confirm(client, "rasps", fields)
    context.exit(_submit(client, "rasps", fields, wait=wait, as_json=as_json))


def _resolve_rasp_ids(client: ApiClient, targets: tuple[str, ...]) -> list[int]:
    return [rasp.id for rasp in output.fetch_rasps(client, targets).data]


def _confirm(client: ApiClient, scope: str, fields: _Fields) -> None:
    preview = client.post(f"{scope}/execute", ApiPreview, **fields, dry_run=True).data
    confirm.confirm_disruption(preview.affected, *order_tables.preview_notes(preview))


def _submit(client: ApiClient, scope: str, fields: _Fields, *, wait: bool, as_json: bool) -> int:
    """Submit an order and print its result. Return the exit status."""
    try:
        response = client.post(f"{scope}/execute", ApiOrder, **fields)
    except KeyboardInterrupt:
        click.echo("pirack: run `pirack orders` to check whether the order was submitted", err=True)
        raise
    order = response.data
    if wait:
        response = progress.wait_for_order(client, response)
    elif not order.is_finished and not as_json:
        click.echo(f"Order {order.id} started: wait for it with `pirack order {order.id} --watch`")
        return 0
    output.print_response(response, order_tables.order_details, as_json=as_json)
    return 0 if response.data.succeeded else EXIT_FAILED
