"""Commands that reserve stacks, and limit reservations."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import click

from cli import output
from cli.api_client import ApiClient
from cli.duration import parse_duration
from cli.output import ClientFactory, as_json_option
from cli.reservation_models import ApiQuota, ApiReservation
from cli.reservation_tables import (
    quota_line,
    quota_table,
    reservation_line,
    reservation_table,
)
from rack.terminal import CommandError

_Command = TypeVar("_Command", bound=Callable[..., Any])

_number_argument = click.argument("number", type=click.IntRange(min=1))


def _duration_option(description: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--for",
        "seconds",
        callback=parse_duration,
        required=True,
        metavar="TIME",
        help=description,
    )


@click.command()
@click.argument("selection", nargs=-1, required=True)
@_duration_option("Duration from the start, such as 20m or 1h30m.")
@as_json_option
@click.pass_obj
def reserve(
    make_client: ClientFactory, selection: tuple[str, ...], *, seconds: float, as_json: bool
) -> None:
    """Reserve stacks, or wait in the queue for them.

    SELECTION is "3 stacks" (any), "12 rasps", "stacks 1-3", "all", or names such as 03-2 or 3/2.
    Only you can submit orders and installs for your stacks, until the time is over or you hand them
    back.
    """
    response = make_client().post(
        "reservations", ApiReservation, selection=" ".join(selection), seconds=seconds
    )
    output.print_response(response, reservation_line, as_json=as_json)


@click.command()
@as_json_option
@click.pass_obj
def reservations(make_client: ClientFactory, *, as_json: bool) -> None:
    """List who has which stacks until when, and who waits."""
    response = make_client().get("reservations", list[ApiReservation])
    output.print_response(response, reservation_table, as_json=as_json)


@click.command(short_help="Extend your reservation NUMBER.")
@_number_argument
@_duration_option("Additional time, such as 10m.")
@as_json_option
@click.pass_obj
def extend(make_client: ClientFactory, number: int, *, seconds: float, as_json: bool) -> None:
    """Extend your reservation NUMBER, if no one waits for its stacks."""
    path = f"reservations/{number}/extend"
    response = make_client().post(path, ApiReservation, seconds=seconds)
    output.print_response(response, reservation_line, as_json=as_json)


@click.command("hand-back")
@_number_argument
@as_json_option
@click.pass_obj
def hand_back(make_client: ClientFactory, number: int, *, as_json: bool) -> None:
    """End your reservation NUMBER now, or leave the queue. Admins can end each reservation."""
    response = make_client().delete(f"reservations/{number}", ApiReservation)
    output.print_response(response, reservation_line, as_json=as_json)


@click.command("take-over", short_help="Become the owner of reservation NUMBER.")
@_number_argument
@as_json_option
@click.pass_obj
def take_over(make_client: ClientFactory, number: int, *, as_json: bool) -> None:
    """Become the owner of reservation NUMBER until its end, as an admin."""
    response = make_client().post(f"reservations/{number}/take-over", ApiReservation)
    output.print_response(response, reservation_line, as_json=as_json)


@click.command(short_help="Limit the reservations of a group, or list the quotas.")
@click.argument("name", required=False)
@click.option("--stacks", type=click.IntRange(min=0), help="Stacks at the same time.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Longest time.")
@click.option(
    "--member",
    "members",
    multiple=True,
    default=["*"],
    metavar="PATTERN",
    help="User or token, such as student-*. Repeatable. Default: all.",
)
@click.option("--remove", is_flag=True, help="Remove the quota.")
@as_json_option
@click.pass_obj
def quota(
    make_client: ClientFactory,
    name: str | None,
    *,
    stacks: int | None,
    minutes: float | None,
    members: tuple[str, ...],
    remove: bool,
    as_json: bool,
) -> None:
    """Limit the reservations of each member of group NAME, as an admin, or list the quotas."""
    client: ApiClient = make_client()
    if name is None:
        response = client.get("quotas", list[ApiQuota])
        output.print_response(response, quota_table, as_json=as_json)
        return
    path = f"quotas/{quote(name, safe='')}"
    if remove:
        output.print_response(client.delete(path, ApiQuota), quota_line, as_json=as_json)
        return
    if stacks is None or minutes is None:
        raise CommandError("a quota has two limits: add --stacks and --minutes")
    changed = client.put(path, ApiQuota, members=list(members), stacks=stacks, seconds=minutes * 60)
    output.print_response(changed, quota_line, as_json=as_json)
