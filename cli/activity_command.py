"""Command for everything that happened: orders, power, states, alerts, installs, logins, runs."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import click
from rich.console import RenderableType
from rich.text import Text

from cli import output
from cli.api_client import ApiClient, ControllerError
from cli.duration import parse_duration
from cli.models import ApiResponse
from cli.output import ClientFactory, as_json_option
from cli.stop_request import StopRequest
from cli.tables import cell, format_time
from rack.terminal import make_table, print_table, printable

KINDS = ("order", "power", "state", "alert", "install", "replacement", "login", "experiment")
"""Kinds of events in the API."""

_PAGE_SIZE = 500
_POLL_INTERVAL = 2.0
_OVERLAP_SECONDS = 3600.0  # the results of orders and installs arrive after their events
_LEVEL_STYLES = {"critical": "bold red", "warning": "yellow"}
_KIND_WIDTH = max(map(len, KINDS))


@dataclass(frozen=True)
class ApiEvent:
    """Something that happened."""

    id: str
    time: float
    kind: str
    text: str
    actor: str
    cause: str
    level: str


@dataclass(frozen=True)
class ApiUnavailableKinds:
    """Kinds of events that are missing."""

    kinds: list[str]
    reason: str
    since: float | None


@dataclass(frozen=True)
class ApiNextPage:
    """The time of the next page."""

    end: float
    seconds: float


@dataclass(frozen=True)
class ApiActivity:
    """A page of events, newest first."""

    events: list[ApiEvent]
    unavailable: list[ApiUnavailableKinds]
    next: ApiNextPage | None


@click.command()
@click.argument("targets", nargs=-1)
@click.option(
    "--since",
    "seconds",
    callback=parse_duration,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="Only events of this time until now, such as 20m or 2d.",
)
@click.option(
    "--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only this kind. Repeatable."
)
@click.option("--follow", is_flag=True, help="Then print new events until you press Ctrl-C.")
@as_json_option
@click.pass_obj
def activity(
    make_client: ClientFactory,
    targets: tuple[str, ...],
    *,
    seconds: float,
    kinds: tuple[str, ...],
    follow: bool,
    as_json: bool,
) -> None:
    """List what happened, with the latest event last, or only what concerns TARGETS.

    With --follow, an event is printed again when its result is known. With --follow --json, each
    event is a line.
    """
    source = _ActivitySource(make_client(), targets, kinds)
    response = source.fetch(seconds)
    for missing in response.data.unavailable:
        click.echo(f"pirack: {_unavailable_text(missing)}", err=True)
    if follow:
        _follow(source, response, as_json=as_json)
    output.print_response(response, _event_table, as_json=as_json)


class _ActivitySource:
    """Activity of the API, with filters."""

    def __init__(self, client: ApiClient, targets: Iterable[str], kinds: Iterable[str]) -> None:
        self._client = client
        self._filters = {"target": list(targets), "kind": list(kinds), "limit": _PAGE_SIZE}

    def fetch(self, seconds: float) -> ApiResponse[ApiActivity]:
        """Return the events of a time until now from all pages, newest first."""
        page = self._fetch_page(seconds=seconds)
        received, events = list(page.json["events"]), list(page.data.events)
        following = page.data.next
        while following is not None:
            further = self._fetch_page(seconds=following.seconds, end=following.end)
            received += further.json["events"]
            events += further.data.events
            following = further.data.next
        return ApiResponse(
            {**page.json, "events": received, "next": None},
            replace(page.data, events=events, next=None),
        )

    def _fetch_page(self, **times: float) -> ApiResponse[ApiActivity]:
        return self._client.get("activity", ApiActivity, **self._filters, **times)


def _follow(source: _ActivitySource, first: ApiResponse[ApiActivity], *, as_json: bool) -> NoReturn:
    """Print events, and then new and changed ones until the user stops the command."""
    known = _by_id(source.fetch(_OVERLAP_SECONDS)) | _print_lines(first, {}, as_json=as_json)
    is_connected = True
    with StopRequest() as stop:
        while not stop.is_wanted:
            time.sleep(_POLL_INTERVAL)
            try:
                response = source.fetch(_OVERLAP_SECONDS)
                known = _print_lines(response, known, as_json=as_json)
                is_connected = True
            except ControllerError as error:
                if is_connected:
                    click.echo(f"pirack: {printable(error.message)}", err=True)
                is_connected = False
    raise KeyboardInterrupt


def _by_id(response: ApiResponse[ApiActivity]) -> dict[str, ApiEvent]:
    return {event.id: event for event in response.data.events}


def _print_lines(
    response: ApiResponse[ApiActivity], known: Mapping[str, ApiEvent], *, as_json: bool
) -> dict[str, ApiEvent]:
    """Print the events that are not known or have changed. Return all events, keyed by id."""
    pairs = list(zip(response.json["events"], response.data.events, strict=True))
    for received, event in reversed(pairs):
        if known.get(event.id) != event:
            if as_json:
                click.echo(json.dumps(received))
            else:
                print_table(_event_line(event))
    return _by_id(response)


def _event_table(page: ApiActivity) -> RenderableType:
    """Return a table with a row for each event, the latest one last."""
    table = make_table("TIME", "KIND", "ACTOR", "CAUSE", "DETAIL")
    for event in reversed(page.events):
        table.add_row(
            cell(format_time(event.time)),
            cell(event.kind),
            cell(event.actor or None),
            cell(event.cause or None),
            cell(event.text, _LEVEL_STYLES.get(event.level, "")),
        )
    return table


def _event_line(event: ApiEvent) -> Text:
    cause = f" ({printable(event.cause)})" if event.cause and event.cause not in event.text else ""
    return Text.assemble(
        f"{format_time(event.time)}  {printable(event.kind):{_KIND_WIDTH}}  ",
        cell(event.text, _LEVEL_STYLES.get(event.level, "")),
        cause,
    )


def _unavailable_text(missing: ApiUnavailableKinds) -> str:
    before = f" before {format_time(missing.since)}" if missing.since is not None else ""
    return printable(f"not listed: {', '.join(missing.kinds)}{before}: {missing.reason}")
