"""Asking before rasps are taken down."""

import sys
from collections.abc import Sequence

import click
from rich.console import RenderableType

from cli import tables
from cli.errors import UsageError

yes_option = click.option("--yes", is_flag=True, help="Do not ask before rasps are taken down.")
no_wait_option = click.option("--no-wait", is_flag=True, help="End when it has begun.")


def confirm_disruption(rasp_names: Sequence[str], *notes: RenderableType) -> None:
    """Show by name what would be taken down, and ask; a no ends the command as Ctrl-C does.

    Raises:
        UsageError: there is no terminal to ask at.
    """
    hits = (
        f"{len(rasp_names)} rasps: {' '.join(rasp_names)}" if rasp_names else "no rasp that is up"
    )
    if not sys.stdin.isatty():
        raise UsageError(f"it would take down {hits}: add --yes if it may")
    console = tables.make_console(stderr=True)
    console.print(tables.cell(f"It takes down {hits}", "bold"), *notes, sep="\n")
    try:
        is_wanted = click.confirm("Go on?", err=True)
    except click.Abort:
        is_wanted = False
    if not is_wanted:
        click.echo("pirack: nothing was done", err=True)
        raise KeyboardInterrupt
