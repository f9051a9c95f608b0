"""Confirmation of commands with far-reaching effects."""

import sys
from collections.abc import Sequence

import click
from rich.console import RenderableType

from cli import tables
from rack.target_ranges import abbreviate
from rack.terminal import CommandError, make_console

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
no_wait_option = click.option("--no-wait", is_flag=True, help="Do not wait for the result.")


def confirm_disruption(rasp_names: Sequence[str], *notes: RenderableType) -> None:
    """Print the affected rasps and ask for confirmation.

    Raises:
        KeyboardInterrupt: If the user does not confirm.
        CommandError: If there is no terminal.
    """
    ask(affected_text(rasp_names), *notes)


def ask(effect: str, *notes: RenderableType) -> None:
    """Print the effect of a command and ask for confirmation. Raises as `confirm_disruption`."""
    if not sys.stdin.isatty():
        raise CommandError(f"{effect}: confirm with --yes")
    console = make_console(stderr=True)
    console.print(tables.cell(effect, "bold"), *notes, sep="\n")
    try:
        is_confirmed = click.confirm("Continue?", err=True)
    except click.Abort:
        is_confirmed = False
    if not is_confirmed:
        click.echo("pirack: not confirmed, nothing was changed", err=True)
        raise KeyboardInterrupt


def affected_text(rasp_names: Sequence[str]) -> str:
    """Return a sentence about the rasps that a command shuts down or interrupts."""
    names = " ".join(abbreviate(rasp_names))
    match len(rasp_names):
        case 0:
            return "no running rasp goes down"
        case 1:
            return f"1 rasp goes down: {names}"
        case count:
            return f"{count} rasps go down: {names}"
