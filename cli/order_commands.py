"""The commands that give orders: ping, run, reboot, shutdown, identify, power."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli import actions, confirm, order_tables, output, progress
from cli.actions import PING
from cli.api_client import ApiClient
from cli.completion import complete_action
from cli.errors import UsageError
from cli.output import ClientFactory, as_json_option, parse_response

_Command = TypeVar("_Command", bound=Callable[..., Any])

_targets_argument = click.argument("targets", nargs=-1, required=True)


def _order_options(command: _Command) -> _Command:
    for option in (confirm.no_wait_option, confirm.yes_option, as_json_option):
        command = option(command)
    return command


@click.command()
@_targets_argument
@as_json_option
@click.pass_context
def ping(context: click.Context, targets: tuple[str, ...], *, as_json: bool) -> None:
    """Ping TARGETS now."""
    controller = context.obj()
    fields = {"ids": _resolve_rasp_ids(controller, targets), "action": PING}
    context.exit(_submit(controller, "rasps", fields, wait=True, as_json=as_json))


@click.command()
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
    """Have TARGETS do an action, or tell the value of an alias.

    NAME is an action, such as uptime, or an alias, such as cpu_temperature_celsius, or a part that
    no other name has: temperature.
    """
    _run_action(context, name, targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command()
@_targets_argument
@_order_options
@click.pass_context
def reboot(
    context: click.Context, targets: tuple[str, ...], *, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Start TARGETS anew."""
    _run_action(context, "reboot", targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command()
@_targets_argument
@_order_options
@click.pass_context
def shutdown(
    context: click.Context, targets: tuple[str, ...], *, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Halt TARGETS; only their stack's power brings them back."""
    _run_action(context, "shutdown", targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command()
@_targets_argument
@confirm.no_wait_option
@as_json_option
@click.pass_context
def identify(
    context: click.Context, targets: tuple[str, ...], *, no_wait: bool, as_json: bool
) -> None:
    """Have TARGETS blink, to be found in the room."""
    _run_action(context, "identify", targets, yes=False, wait=not no_wait, as_json=as_json)


@click.command()
@click.argument("how", type=click.Choice(["on", "off", "cycle"]), metavar="on|off|cycle")
@_targets_argument
@click.option("--force", is_flag=True, help="Cut power at once, without shutting down first.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would take down.")
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
    """Switch the power of whole stacks: TARGETS are 3, 7-9, or all.

    Off shuts the rasps down, sees them gone, and then cuts; cycle also gives power again.
    """
    controller = context.obj()
    fields = {
        "ids": _resolve_stacks(controller, targets),
        "action": f"power_{mode}",
        "force": force,
    }
    if dry_run:
        answer = controller.post("stacks/execute", **fields, dry_run=True)
        output.print_result(
            controller, answer, lambda: order_tables.order_preview(answer), as_json=as_json
        )
        return
    if mode != "on" and not yes:
        _confirm(controller, "stacks", fields)
    context.exit(_submit(controller, "stacks", fields, wait=not no_wait, as_json=as_json))


def _run_action(
    context: click.Context,
    name: str,
    targets: tuple[str, ...],
    *,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    connect: ClientFactory = context.obj
    controller = connect()
    options = controller.get("rasps/options", list)
    choice = actions.resolve(
        name, parse_response(controller, lambda: actions.parse_options(options))
    )
    fields: dict[str, Any] = {
        "ids": _resolve_rasp_ids(controller, targets),
        "action": choice.action,
    }
    if choice.alias is not None:
        fields["alias"] = choice.alias
    if choice.is_disruptive and not yes:
        _confirm(controller, "rasps", fields)
    context.exit(_submit(controller, "rasps", fields, wait=wait, as_json=as_json))


def _resolve_rasp_ids(client: ApiClient, targets: tuple[str, ...]) -> list[int]:
    found = output.fetch_rasps(client, targets)
    return parse_response(client, lambda: [int(each["id"]) for each in found])


def _resolve_stacks(client: ApiClient, targets: tuple[str, ...]) -> list[int]:
    for target in targets:
        if "/" in target:
            raise UsageError(
                f"{target}: power is a whole stack's: write {target.partition('/')[0]}"
            )
    return sorted({stack for stack, _ in output.resolve_targets(client, targets)})


def _confirm(client: ApiClient, scope: str, fields: dict[str, Any]) -> None:
    """Ask whether what an order would take down may go down."""
    preview = client.post(f"{scope}/execute", **fields, dry_run=True)
    names, about = parse_response(
        client,
        lambda: (
            [str(name) for name in preview["takes_down"]],
            order_tables.preview_notes(preview),
        ),
    )
    confirm.confirm_disruption(names, *about)


def _submit(
    client: ApiClient, scope: str, fields: dict[str, Any], *, wait: bool, as_json: bool
) -> int:
    """Give an order, and print what came of it; return the exit status."""
    try:
        order = client.post(f"{scope}/execute", **fields)
    except KeyboardInterrupt:
        click.echo("pirack: `pirack orders` tells whether the order was given", err=True)
        raise
    if progress.is_finished(client, order) or wait:
        order = progress.wait_for_order(client, order)
    elif not as_json:
        number = parse_response(client, lambda: int(order["id"]))
        click.echo(f"Order {number} runs: `pirack order {number} --watch` follows it")
        return 0
    output.print_result(client, order, lambda: order_tables.order_details(order), as_json=as_json)
    return progress.exit_status(client, order)
