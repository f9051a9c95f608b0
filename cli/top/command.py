"""Command that shows the rasps sorted by temperature, CPU or memory, live."""

import sys
import time
from datetime import datetime

import click
from rich.console import Group
from rich.live import Live

from cli import tables
from cli.api_client import ApiClient, ControllerError
from cli.models import ApiRasp
from cli.output import ClientFactory
from cli.stop_request import StopRequest
from cli.top.keyboard import Keyboard
from cli.top.usage import METRICS, sort_rasps, usage_table
from cli.top.view import TopView
from rack.terminal import make_console, print_table

_INTERVAL_SECONDS = 2.0
_QUIT = "q"
_KEYS = """\b
Keys:
  t, c, m                       sort by temperature, CPU or memory
  Up, Down, Page Up, Page Down  scroll
  q, Ctrl-C                     quit
"""


@click.command(epilog=_KEYS)
@click.option(
    "--sort",
    type=click.Choice(list(METRICS)),
    default="temperature",
    show_default=True,
    help="What to sort by, highest first.",
)
@click.option("--once", is_flag=True, help="Print the rasps once, as without a terminal.")
@click.pass_obj
def top(make_client: ClientFactory, *, sort: str, once: bool) -> None:
    """Show the rasps live, the hottest first.

    The values are read every two seconds. TREND is the history of the value by which the rasps are
    sorted.
    """
    client = make_client()
    rasps = _read(client)
    if once or not _has_terminal():
        print_table(Group(tables.rasp_summary(rasps), usage_table(sort_rasps(rasps, sort))))
        return
    view = TopView(sort)
    view.update(rasps, datetime.now())
    _show(client, view)


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not make_console().is_dumb_terminal


def _read(client: ApiClient) -> list[ApiRasp]:
    return client.get("rasps", list[ApiRasp]).data


def _show(client: ApiClient, view: TopView) -> None:
    """Update the view until the user quits."""
    console = make_console()
    with (
        StopRequest() as stop,
        Keyboard() as keyboard,
        Live(view, console=console, screen=True, auto_refresh=False) as live,
    ):
        next_read = time.monotonic() + _INTERVAL_SECONDS
        while True:
            live.refresh()
            try:
                keys = keyboard.read(next_read - time.monotonic())
            except EOFError:
                return
            if stop.is_wanted:
                raise KeyboardInterrupt
            if _QUIT in keys:
                return
            for key in keys:
                view.press(key, console.height)
            if time.monotonic() >= next_read:
                _update(client, view)
                next_read = time.monotonic() + _INTERVAL_SECONDS


def _update(client: ApiClient, view: TopView) -> None:
    try:
        view.update(_read(client), datetime.now())
    except ControllerError as error:
        view.fail(error.message)
