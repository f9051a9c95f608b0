"""The commands that look: how rack, rasps, stacks and master are."""

import time
from typing import NoReturn

import click
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from cli import output, tables
from cli.api_client import ApiClient
from cli.errors import ControllerError, UsageError
from cli.output import ClientFactory, as_json_option
from cli.text import printable

_HAS_ISSUES = 1
_WATCH_INTERVAL = 2.0


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
        if as_json or not tables.make_console().is_terminal:
            raise UsageError("--watch is for terminals: ask again and again instead")
        _watch_status(controller)
    rack = controller.get("rack", dict)
    output.print_result(controller, rack, lambda: tables.rack_status(rack), as_json=as_json)
    context.exit(_HAS_ISSUES if rack.get("care") else 0)


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
    make_client: ClientFactory,
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
    controller = make_client()
    wanted = {"stack": stack, "state": state, "q": text}
    found = output.fetch_rasps(controller, targets, **wanted)
    output.print_result(
        controller, found, lambda: tables.rasp_table(found, time.time()), as_json=as_json
    )


@click.command()
@click.argument("targets", nargs=-1, required=True)
@as_json_option
@click.pass_obj
def show(make_client: ClientFactory, targets: tuple[str, ...], *, as_json: bool) -> None:
    """Tell all that is known of TARGETS."""
    controller = make_client()
    found = output.fetch_rasps(controller, targets)

    def told() -> RenderableType:
        now = time.time()
        return tables.separated(tables.rasp_details(each, now) for each in found)

    output.print_result(controller, found, told, as_json=as_json)


@click.command()
@as_json_option
@click.pass_obj
def stacks(make_client: ClientFactory, *, as_json: bool) -> None:
    """List the stacks.

    PIN is that of the relay, PLACE the column and row from the top left of the room.
    """
    controller = make_client()
    found = controller.get("stacks", list)
    output.print_result(controller, found, lambda: tables.stack_table(found), as_json=as_json)


@click.command()
@as_json_option
@click.pass_obj
def master(make_client: ClientFactory, *, as_json: bool) -> None:
    """Tell how the master and its services are."""
    controller = make_client()
    found = controller.get("master", dict)
    output.print_result(
        controller, found, lambda: tables.master_details(found, time.time()), as_json=as_json
    )


def _watch_status(client: ApiClient) -> NoReturn:
    with Live(console=tables.make_console(), auto_refresh=False) as live:
        while True:
            try:
                rack = client.get("rack", dict)
                shown = output.parse_response(client, lambda: tables.rack_status(rack))  # noqa: B023 - called now
            except ControllerError as error:
                shown = Text(printable(str(error)))
            live.update(shown, refresh=True)
            time.sleep(_WATCH_INTERVAL)
