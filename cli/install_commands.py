"""The commands that say which Pi sits where: install, replace, swap."""

import time
from collections.abc import Sequence
from typing import Any

import click
from rich.live import Live
from rich.text import Text

from cli import confirm, install_tables, output, tables
from cli.api_client import ApiClient
from cli.errors import ControllerError, UsageError
from cli.output import ClientFactory, as_json_option, parse_response

_POLL_INTERVAL = 1.0
_OUTAGE_TIMEOUT = 60.0
_UNFINISHED_STATES = {"running", "stopping"}
_EXIT_FAILED = 1

_CONTINUES_HINT = (
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
@confirm.yes_option
@confirm.no_wait_option
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
        found = _wait_for_install(controller, controller.delete("installation"), wait=not no_wait)
    else:
        if not dry_run:
            _confirm_all(controller, yes=yes)
        begun = controller.post("installation", strategy=strategy, dry_run=dry_run)
        found = _wait_for_install(controller, begun, wait=not no_wait)
    _print_and_exit(context, controller, found, as_json=as_json)


@click.command()
@click.argument("target")
@_strategy_option
@confirm.yes_option
@confirm.no_wait_option
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
    rasp = _single_rasp(controller, target)
    if not yes:
        stack = parse_response(controller, lambda: int(rasp["stack"]))
        others = output.fetch_rasps(controller, [str(stack)])
        confirm.confirm_disruption(
            _running_rasp_names(controller, others), f"The power of stack {stack} is cut."
        )
    begun = controller.post(f"rasps/{rasp['id']}/replace", strategy=strategy)
    found = _wait_for_install(controller, begun, wait=not no_wait)
    _print_and_exit(context, controller, found, as_json=as_json)


@click.command()
@click.argument("one")
@click.argument("other")
@as_json_option
@click.pass_obj
def swap(make_client: ClientFactory, one: str, other: str, *, as_json: bool) -> None:
    """Let the rasps of slots ONE and OTHER of a stack, such as 3/1 and 3/2, change places.

    For nothing but people can tell which of a stack's slots is whose. Nothing is switched: each
    takes its new address at its next boot, or when half of its lease is over.
    """
    controller = make_client()
    rasps = [_single_rasp(controller, target) for target in (one, other)]
    ids, names = parse_response(
        controller,
        lambda: ([int(rasp["id"]) for rasp in rasps], [str(rasp["name"]) for rasp in rasps]),
    )
    done = controller.post("rasps/swap", ids=ids)
    output.print_result(
        controller,
        done,
        lambda: Text(
            f"{' and '.join(names)} have changed places: they take their new addresses when"
            " they boot, or when half of their leases is over"
        ),
        as_json=as_json,
    )


def _single_rasp(client: ApiClient, target: str) -> dict[str, Any]:
    found = output.fetch_rasps(client, [target])
    if len(found) != 1:
        raise UsageError(f"{target} is {len(found)} slots: write one, such as 3/2")
    rasp: dict[str, Any] = found[0]
    return rasp


def _confirm_all(client: ApiClient, *, yes: bool) -> None:
    if not yes:
        rasps = client.get("rasps", list)
        confirm.confirm_disruption(
            _running_rasp_names(client, rasps), "The power of all stacks is cut."
        )


def _running_rasp_names(client: ApiClient, rasps: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of the rasps that may be running."""
    return parse_response(
        client,
        lambda: [str(each["name"]) for each in rasps if each["state"] in {"up", "unknown"}],
    )


def _wait_for_install(
    client: ApiClient, installation: dict[str, Any], *, wait: bool
) -> dict[str, Any]:
    """Return an install as it is at its end; on a terminal, show how far it is."""
    if not wait or _is_finished(client, installation):
        return installation
    live = Live(console=tables.make_console(stderr=True), auto_refresh=False, transient=True)
    heard = time.monotonic()
    try:
        if live.console.is_terminal:
            live.start()
        while not _is_finished(client, installation):
            if live.is_started:
                shown = parse_response(
                    client, lambda: install_tables.install_progress(installation)
                )  # noqa: B023 - called now
                live.update(shown, refresh=True)
            time.sleep(_POLL_INTERVAL)
            try:
                installation = client.get("installation", dict)
                heard = time.monotonic()
            except ControllerError as error:
                if time.monotonic() - heard > _OUTAGE_TIMEOUT:
                    raise ControllerError(f"{error.message}; {_CONTINUES_HINT}") from error
    except KeyboardInterrupt:
        live.stop()
        click.echo(f"pirack: {_CONTINUES_HINT}", err=True)
        raise
    finally:
        live.stop()
    return installation


def _is_finished(client: ApiClient, installation: dict[str, Any]) -> bool:
    return parse_response(client, lambda: installation["state"] not in _UNFINISHED_STATES)


def _print_and_exit(
    context: click.Context, client: ApiClient, installation: dict[str, Any], *, as_json: bool
) -> None:
    """Print an install; the exit status says whether each rasp was found and is in its place."""

    def is_well() -> bool:
        doubts = ("missing", "conflicts", "unplaced")
        return installation["state"] in {*_UNFINISHED_STATES, "none"} or (
            installation["state"] == "done"
            and not installation["trouble"]
            and not any(installation[name] for name in doubts)
        )

    output.print_result(
        client, installation, lambda: install_tables.install_result(installation), as_json=as_json
    )
    context.exit(0 if parse_response(client, is_well) else _EXIT_FAILED)
