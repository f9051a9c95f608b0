"""The commands that say which Pi sits where: install, replace, swap."""

import time
from collections.abc import Sequence
from typing import Any

import click
from rich.live import Live
from rich.text import Text

from cli import answers, asking, install_tables, tables
from cli.answers import Connect, as_json_option, made
from cli.controller import Controller
from cli.errors import ControllerError, UsageError

_ASK_SECONDS = 1.0
_AWAY_SECONDS = 60.0
_OPEN = {"running", "stopping"}
_FAILED = 1

_GOES_ON = (
    "it goes on: `pirack install --status` tells how far it is, `pirack install --stop` ends it"
)


_strategy_option = click.option(
    "--strategy",
    type=click.Choice(["cut", "one-by-one"]),
    default="cut",
    show_default=True,
    help="How stacks are told apart; one-by-one where the rasps answer no ping.",
)


@click.command()
@_strategy_option
@click.option("--dry-run", is_flag=True, help="Only check, and show what dhcpd.conf would become.")
@click.option("--stop", is_flag=True, help="Stop it, or put in order what a killed one has left.")
@click.option("--status", is_flag=True, help="Tell how far it is, or how the last one ended.")
@asking.yes_option
@asking.no_wait_option
@as_json_option
@click.pass_context
def install(
    context: click.Context,
    *,
    strategy: str,
    dry_run: bool,
    stop: bool,
    status: bool,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Find out which Pi sits where, and give each its address.

    All stacks lose power meanwhile: whatever runs on the rack ends.
    """
    if stop and status:
        raise UsageError("--stop and --status are two things: take one")
    controller = context.obj()
    if status:
        found = controller.get("installation", dict)
    elif stop:
        found = _follow(controller, controller.delete("installation"), wait=not no_wait)
    else:
        if not dry_run:
            _ask_for_all(controller, yes=yes)
        begun = controller.post("installation", strategy=strategy, dry_run=dry_run)
        found = _follow(controller, begun, wait=not no_wait)
    _end(context, controller, found, as_json=as_json)


@click.command()
@click.argument("target")
@_strategy_option
@asking.yes_option
@asking.no_wait_option
@as_json_option
@click.pass_context
def replace(
    context: click.Context,
    target: str,
    *,
    strategy: str,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Take the new board in TARGET, such as 3/2, for the one that was there.

    It gets the old one's name and address. Its stack is cut meanwhile, to be certain where it is.
    """
    controller = context.obj()
    rasp = _one(controller, target)
    if not yes:
        stack = made(controller, lambda: int(rasp["stack"]))
        others = answers.rasps(controller, [str(stack)])
        asking.ask(_running(controller, others), f"The power of stack {stack} is cut.")
    begun = controller.post(f"rasps/{rasp['id']}/replace", strategy=strategy)
    found = _follow(controller, begun, wait=not no_wait)
    _end(context, controller, found, as_json=as_json)


@click.command()
@click.argument("one")
@click.argument("other")
@as_json_option
@click.pass_obj
def swap(connect: Connect, one: str, other: str, *, as_json: bool) -> None:
    """Let the rasps of slots ONE and OTHER of a stack, such as 3/1 and 3/2, change places.

    For nothing but people can tell which of a stack's slots is whose. Nothing is switched: each
    takes its new address at its next boot, or when half of its lease is over.
    """
    controller = connect()
    rasps = [_one(controller, target) for target in (one, other)]
    ids, names = made(
        controller,
        lambda: ([int(rasp["id"]) for rasp in rasps], [str(rasp["name"]) for rasp in rasps]),
    )
    done = controller.post("rasps/swap", ids=ids)
    answers.show(
        controller,
        done,
        lambda: Text(
            f"{' and '.join(names)} have changed places: they take their new addresses when"
            " they boot, or when half of their leases is over"
        ),
        as_json=as_json,
    )


def _one(controller: Controller, target: str) -> dict[str, Any]:
    found = answers.rasps(controller, [target])
    if len(found) != 1:
        raise UsageError(f"{target} is {len(found)} slots: write one, such as 3/2")
    rasp: dict[str, Any] = found[0]
    return rasp


def _ask_for_all(controller: Controller, *, yes: bool) -> None:
    if not yes:
        rasps = controller.get("rasps", list)
        asking.ask(_running(controller, rasps), "The power of all stacks is cut.")


def _running(controller: Controller, rasps: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of the rasps that may be running."""
    return made(
        controller,
        lambda: [str(each["name"]) for each in rasps if each["state"] in {"up", "unknown"}],
    )


def _follow(controller: Controller, found: dict[str, Any], *, wait: bool) -> dict[str, Any]:
    """Return an install as it is at its end; on a terminal, show how far it is."""
    if not wait or _is_over(controller, found):
        return found
    live = Live(console=tables.console(stderr=True), auto_refresh=False, transient=True)
    heard = time.monotonic()
    try:
        if live.console.is_terminal:
            live.start()
        while not _is_over(controller, found):
            if live.is_started:
                shown = made(controller, lambda: install_tables.progress(found))  # noqa: B023 - called now
                live.update(shown, refresh=True)
            time.sleep(_ASK_SECONDS)
            try:
                found = controller.get("installation", dict)
                heard = time.monotonic()
            except ControllerError as error:
                if time.monotonic() - heard > _AWAY_SECONDS:
                    raise ControllerError(f"{error.message}; {_GOES_ON}") from error
    except KeyboardInterrupt:
        live.stop()
        click.echo(f"pirack: {_GOES_ON}", err=True)
        raise
    finally:
        live.stop()
    return found


def _is_over(controller: Controller, found: dict[str, Any]) -> bool:
    return made(controller, lambda: found["state"] not in _OPEN)


def _end(
    context: click.Context, controller: Controller, found: dict[str, Any], *, as_json: bool
) -> None:
    """Print an install; the exit status says whether each rasp was found and is in its place."""

    def is_well() -> bool:
        doubts = ("missing", "conflicts", "unplaced")
        return found["state"] in {*_OPEN, "none"} or (
            found["state"] == "done"
            and not found["trouble"]
            and not any(found[name] for name in doubts)
        )

    answers.show(controller, found, lambda: install_tables.result(found), as_json=as_json)
    context.exit(0 if made(controller, is_well) else _FAILED)
