"""The commands that give orders: ping, run, reboot, shutdown, identify, power."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli import actions, answers, asking, following, order_tables
from cli.actions import PING
from cli.answers import Connect, as_json_option, made
from cli.completion import names
from cli.controller import Controller
from cli.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., Any])

_targets = click.argument("targets", nargs=-1, required=True)


def _order_options(command: _Command) -> _Command:
    for option in (asking.no_wait_option, asking.yes_option, as_json_option):
        command = option(command)
    return command


@click.command()
@_targets
@as_json_option
@click.pass_context
def ping(context: click.Context, targets: tuple[str, ...], *, as_json: bool) -> None:
    """Ping TARGETS now."""
    controller = context.obj()
    fields = {"ids": _ids(controller, targets), "action": PING}
    context.exit(_give(controller, "rasps", fields, wait=True, as_json=as_json))


@click.command()
@click.argument("name", shell_complete=names)
@_targets
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
    _run(context, name, targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command()
@_targets
@_order_options
@click.pass_context
def reboot(
    context: click.Context, targets: tuple[str, ...], *, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Start TARGETS anew."""
    _run(context, "reboot", targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command()
@_targets
@_order_options
@click.pass_context
def shutdown(
    context: click.Context, targets: tuple[str, ...], *, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Halt TARGETS; only their stack's power brings them back."""
    _run(context, "shutdown", targets, yes=yes, wait=not no_wait, as_json=as_json)


@click.command()
@_targets
@asking.no_wait_option
@as_json_option
@click.pass_context
def identify(
    context: click.Context, targets: tuple[str, ...], *, no_wait: bool, as_json: bool
) -> None:
    """Have TARGETS blink, to be found in the room."""
    _run(context, "identify", targets, yes=False, wait=not no_wait, as_json=as_json)


@click.command()
@click.argument("how", type=click.Choice(["on", "off", "cycle"]), metavar="on|off|cycle")
@_targets
@click.option("--force", is_flag=True, help="Cut power at once, without shutting down first.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would take down.")
@_order_options
@click.pass_context
def power(
    context: click.Context,
    how: str,
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
        "ids": _stacks(controller, targets),
        "action": f"power_{how}",
        "force": force,
    }
    if dry_run:
        answer = controller.post("stacks/execute", **fields, dry_run=True)
        answers.show(controller, answer, lambda: order_tables.preview(answer), as_json=as_json)
        return
    if how != "on" and not yes:
        _ask(controller, "stacks", fields)
    context.exit(_give(controller, "stacks", fields, wait=not no_wait, as_json=as_json))


def _run(
    context: click.Context,
    name: str,
    targets: tuple[str, ...],
    *,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    connect: Connect = context.obj
    controller = connect()
    options = controller.get("rasps/options", list)
    choice = actions.choose(name, made(controller, lambda: actions.choices(options)))
    fields: dict[str, Any] = {"ids": _ids(controller, targets), "action": choice.action}
    if choice.alias is not None:
        fields["alias"] = choice.alias
    if choice.takes_down and not yes:
        _ask(controller, "rasps", fields)
    context.exit(_give(controller, "rasps", fields, wait=wait, as_json=as_json))


def _ids(controller: Controller, targets: tuple[str, ...]) -> list[int]:
    found = answers.rasps(controller, targets)
    return made(controller, lambda: [int(each["id"]) for each in found])


def _stacks(controller: Controller, targets: tuple[str, ...]) -> list[int]:
    for target in targets:
        if "/" in target:
            raise UsageError(
                f"{target}: power is a whole stack's: write {target.partition('/')[0]}"
            )
    return sorted({stack for stack, _ in answers.named(controller, targets)})


def _ask(controller: Controller, scope: str, fields: dict[str, Any]) -> None:
    """Ask whether what an order would take down may go down."""
    preview = controller.post(f"{scope}/execute", **fields, dry_run=True)
    names, about = made(
        controller,
        lambda: (
            [str(name) for name in preview["takes_down"]],
            order_tables.about(preview),
        ),
    )
    asking.ask(names, *about)


def _give(
    controller: Controller, scope: str, fields: dict[str, Any], *, wait: bool, as_json: bool
) -> int:
    """Give an order, and print what came of it; return the exit status."""
    try:
        order = controller.post(f"{scope}/execute", **fields)
    except KeyboardInterrupt:
        click.echo("pirack: `pirack orders` tells whether the order was given", err=True)
        raise
    if following.is_over(controller, order) or wait:
        order = following.follow(controller, order)
    elif not as_json:
        number = made(controller, lambda: int(order["id"]))
        click.echo(f"Order {number} runs: `pirack order {number} --watch` follows it")
        return 0
    answers.show(controller, order, lambda: order_tables.order(order), as_json=as_json)
    return following.status(controller, order)
