"""The commands of `pirack`."""

import json
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click
from click.shell_completion import get_completion_class
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from cli import tables, token
from cli.controller import DEFAULT_URL, URL_VARIABLE, Controller
from cli.errors import ControllerError, UsageError
from cli.text import printable
from rack.errors import UnknownPlace
from rack.places import find

_NEEDS_CARE = 1
_INTERRUPTED = 130
_WATCH_SECONDS = 2.0
_PROGRAM = "pirack"

_Made = TypeVar("_Made")

_EXIT_STATUSES = """\b
Exit statuses:
  0  fine
  1  `status`: something needs care
  2  the command line is wrong, or names what is not there
  3  the controller cannot be reached, or refuses
"""


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click's own exit status, 1, is taken
            ctx.exit(_INTERRUPTED)


@click.group(cls=_Commands, epilog=_EXIT_STATUSES)
@click.option(
    "--url",
    envvar=URL_VARIABLE,
    show_envvar=True,
    default=DEFAULT_URL,
    show_default=True,
    help="Where the controller is.",
)
@click.version_option(package_name="pirack", message="%(prog)s %(version)s")
@click.pass_context
def pirack(context: click.Context, url: str) -> None:
    """Ask a rack of Raspberry Pis how it is.

    TARGETS are 3 (a stack), 3/2 (a slot), 1-4/1-2 (ranges), or all. A token, where the controller
    wants one, is taken from PIRACK_TOKEN or ~/.config/pirack/token.
    """
    # Made by the command: --help needs neither a right URL nor a right token.
    context.obj = lambda: Controller(url, token.read())


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@pirack.command()
@_as_json
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
    _print(controller, rack, lambda: tables.status(rack), as_json=as_json)
    context.exit(_NEEDS_CARE if rack.get("care") else 0)


@pirack.command()
@click.argument("targets", nargs=-1)
@click.option("--stack", type=click.IntRange(min=1), help="Only the rasps of this stack.")
@click.option(
    "--state",
    type=click.Choice(["up", "down", "off", "unknown"]),
    help="Only the rasps in this state.",
)
@click.option("-q", "text", help="Only those with this id, or this in a name, MAC or IP.")
@_as_json
@click.pass_obj
def rasps(
    connect: Callable[[], Controller],
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
    found = _rasps(controller, targets, **wanted)
    _print(controller, found, lambda: tables.rasps(found, time.time()), as_json=as_json)


@pirack.command()
@click.argument("targets", nargs=-1, required=True)
@_as_json
@click.pass_obj
def show(connect: Callable[[], Controller], targets: tuple[str, ...], *, as_json: bool) -> None:
    """Tell all that is known of TARGETS."""
    controller = connect()
    found = _rasps(controller, targets)

    def told() -> RenderableType:
        now = time.time()
        return tables.apart(tables.rasp(each, now) for each in found)

    _print(controller, found, told, as_json=as_json)


@pirack.command()
@_as_json
@click.pass_obj
def stacks(connect: Callable[[], Controller], *, as_json: bool) -> None:
    """List the stacks.

    PIN is that of the relay, PLACE the column and row from the top left of the room.
    """
    controller = connect()
    found = controller.get("stacks", list)
    _print(controller, found, lambda: tables.stacks(found), as_json=as_json)


@pirack.command()
@_as_json
@click.pass_obj
def master(connect: Callable[[], Controller], *, as_json: bool) -> None:
    """Tell how the master and its services are."""
    controller = connect()
    found = controller.get("master", dict)
    _print(controller, found, lambda: tables.master(found, time.time()), as_json=as_json)


@pirack.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what lets SHELL complete commands.

    For bash, add to ~/.bashrc: eval "$(pirack completion bash)"
    """
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(pirack, {}, _PROGRAM, "_PIRACK_COMPLETE").source())


def _rasps(controller: Controller, targets: tuple[str, ...], **filters: Any) -> list[Any]:
    """Return the rasps that fit the API's filters, and, where targets are given, are in them."""
    found = controller.get("rasps", list, **filters)
    if not targets:
        return found
    stacks = controller.get("stacks", list)

    def in_targets() -> list[Any]:
        places = find([len(stack["rasps"]) for stack in stacks], targets)
        return [rasp for rasp in found if (rasp["stack"], rasp["slot"]) in places]

    try:
        return _made(controller, in_targets)
    except UnknownPlace as error:
        raise UsageError(str(error)) from error


def _print(
    controller: Controller, answer: object, table: Callable[[], RenderableType], *, as_json: bool
) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        tables.console().print(_made(controller, table))


def _watch(controller: Controller) -> NoReturn:
    with Live(console=tables.console(), auto_refresh=False) as live:
        while True:
            try:
                rack = controller.get("rack", dict)
                shown = _made(controller, lambda: tables.status(rack))  # noqa: B023 - called now
            except ControllerError as error:
                shown = Text(printable(str(error)))
            live.update(shown, refresh=True)
            time.sleep(_WATCH_SECONDS)


def _made(controller: Controller, make: Callable[[], _Made]) -> _Made:
    """Return what is made of an answer, or raise that it is not one of a controller."""
    try:
        return make()
    except UnknownPlace:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise controller.stranger() from error


if __name__ == "__main__":
    pirack(prog_name=_PROGRAM)
