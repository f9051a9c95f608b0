"""The commands that look: how rack, rasps, stacks and master are."""

import time
from typing import NoReturn

import click
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from cli import answers, tables
from cli.answers import Connect, as_json_option
from cli.controller import Controller
from cli.errors import ControllerError, UsageError
from cli.text import printable

_NEEDS_CARE = 1
_WATCH_SECONDS = 2.0


@click.command()
@as_json_option
@click.option("--watch", is_flag=True, help="Stay, and show each change; end it with Ctrl-C.")
@click.pass_context
def status(context: click.Context, *, as_json: bool, watch: bool) -> None:
    """Tell how the rack is, and what needs care.

    Where something does, the exit status is 1.
    """
    controller = context.obj()
    if watch:
        if as_json or not tables.console().is_terminal:
            raise UsageError("--watch is for terminals: ask again and again instead")
        _watch(controller)
    rack = controller.get("rack", dict)
    answers.show(controller, rack, lambda: tables.status(rack), as_json=as_json)
    context.exit(_NEEDS_CARE if rack.get("care") else 0)


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--stack", type=click.IntRange(min=1), help="Only the rasps of this stack.")
@click.option(
    "--state",
    type=click.Choice(["up", "down", "off", "unknown"]),
    help="Only the rasps in this state.",
)
@click.option("-q", "text", help="Only those with this id, or this in a name, MAC or IP.")
@as_json_option
@click.pass_obj
def rasps(
    connect: Connect,
    targets: tuple[str, ...],
    *,
    stack: int | None,
    state: str | None,
    text: str | None,
    as_json: bool,
) -> None:
    """List the rasps.

    With TARGETS and options: those that fit all of them.
    """
    controller = connect()
    wanted = {"stack": stack, "state": state, "q": text}
    found = answers.rasps(controller, targets, **wanted)
    answers.show(controller, found, lambda: tables.rasps(found, time.time()), as_json=as_json)


@click.command()
@click.argument("targets", nargs=-1, required=True)
@as_json_option
@click.pass_obj
def show(connect: Connect, targets: tuple[str, ...], *, as_json: bool) -> None:
    """Tell all that is known of TARGETS."""
    controller = connect()
    found = answers.rasps(controller, targets)

    def told() -> RenderableType:
        now = time.time()
        return tables.apart(tables.rasp(each, now) for each in found)

    answers.show(controller, found, told, as_json=as_json)


@click.command()
@as_json_option
@click.pass_obj
def stacks(connect: Connect, *, as_json: bool) -> None:
    """List the stacks.

    PIN is that of the relay, PLACE the column and row from the top left of the room.
    """
    controller = connect()
    found = controller.get("stacks", list)
    answers.show(controller, found, lambda: tables.stacks(found), as_json=as_json)


@click.command()
@as_json_option
@click.pass_obj
def master(connect: Connect, *, as_json: bool) -> None:
    """Tell how the master and its services are."""
    controller = connect()
    found = controller.get("master", dict)
    answers.show(controller, found, lambda: tables.master(found, time.time()), as_json=as_json)


def _watch(controller: Controller) -> NoReturn:
    with Live(console=tables.console(), auto_refresh=False) as live:
        while True:
            try:
                rack = controller.get("rack", dict)
                shown = answers.made(controller, lambda: tables.status(rack))  # noqa: B023 - called now
            except ControllerError as error:
                shown = Text(printable(str(error)))
            live.update(shown, refresh=True)
            time.sleep(_WATCH_SECONDS)
