"""Commands that show the rack, its rasps and stacks, and the master."""

import time
from typing import NoReturn

import click
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from cli import output, tables
from cli.api_client import ApiClient, ControllerError
from cli.completion import complete_target
from cli.models import ApiMaster, ApiRack, ApiStack
from cli.output import ClientFactory, as_json_option
from cli.stop_request import StopRequest
from rack.terminal import EXIT_FAILED, CommandError, make_console, printable

_WATCH_INTERVAL = 2.0


@click.command()
@as_json_option
@click.option("--watch", is_flag=True, help="Display changes until you press Ctrl-C.")
@click.pass_context
def status(context: click.Context, *, as_json: bool, watch: bool) -> None:
    """Show a summary of the rack and its issues.

    The exit status is 1 if there are issues or warnings about power, or if something is unknown.
    """
    client = context.obj()
    if watch:
        if as_json or not make_console().is_terminal:
            raise CommandError("--watch requires a terminal: run `pirack status` repeatedly")
        _watch_status(client)
    response = client.get("rack", ApiRack)
    output.print_response(response, tables.rack_status, as_json=as_json)
    context.exit(EXIT_FAILED if response.data.needs_attention else 0)


@click.command(epilog=output.TARGETS_HELP)
@click.argument("targets", nargs=-1, shell_complete=complete_target)
@click.option("--stack", type=click.IntRange(min=1), help="Only the rasps of this stack.")
@click.option(
    "--state",
    type=click.Choice(["up", "down", "off", "unknown"]),
    help="Only the rasps in this state.",
)
@click.option("-q", "text", help="Only rasps with this id, or with this text in a name or address.")
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
    """List the rasps that match TARGETS and all options."""
    response = output.fetch_rasps(make_client(), targets, stack=stack, state=state, q=text)
    output.print_response(response, tables.rasp_table, as_json=as_json)


@click.command(epilog=output.TARGETS_HELP)
@click.argument("targets", nargs=-1, required=True, shell_complete=complete_target)
@as_json_option
@click.pass_obj
def show(make_client: ClientFactory, targets: tuple[str, ...], *, as_json: bool) -> None:
    """Show the details of TARGETS."""
    response = output.fetch_rasps(make_client(), targets)
    output.print_response(response, tables.all_rasp_details, as_json=as_json)


@click.command()
@as_json_option
@click.pass_obj
def stacks(make_client: ClientFactory, *, as_json: bool) -> None:
    """List the stacks.

    OUTLETS are the outlet of the stack, or the first and the last one of its rasps. POSITION is
    the column and row from the top left.
    """
    response = make_client().get("stacks", list[ApiStack])
    output.print_response(response, tables.stack_table, as_json=as_json)


@click.command()
@as_json_option
@click.pass_obj
def master(make_client: ClientFactory, *, as_json: bool) -> None:
    """Show the master and its services."""
    response = make_client().get("master", ApiMaster)
    output.print_response(response, tables.master_details, as_json=as_json)


def _watch_status(client: ApiClient) -> NoReturn:
    with StopRequest() as stop, Live(console=make_console(), auto_refresh=False) as live:
        while not stop.is_wanted:
            try:
                view: RenderableType = tables.rack_status(client.get("rack", ApiRack).data)
            except ControllerError as error:
                view = Text(printable(error.message))
            live.update(view, refresh=True)
            time.sleep(_WATCH_INTERVAL)
    raise KeyboardInterrupt
