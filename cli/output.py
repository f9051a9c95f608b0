"""What every command does with an answer: ask for it, hold it to what it must be, print it."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from rich.console import RenderableType

from cli import tables
from cli.api_client import ApiClient
from cli.errors import UsageError
from rack.errors import UnknownTargetError
from rack.targets import parse_targets

ClientFactory = Callable[[], ApiClient]

_Parsed = TypeVar("_Parsed")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_result(
    client: ApiClient, response: object, render: Callable[[], RenderableType], *, as_json: bool
) -> None:
    """Print an answer, as JSON or as a table."""
    if as_json:
        click.echo(json.dumps(response, indent=2))
    else:
        tables.print_table(parse_response(client, render))


def parse_response(client: ApiClient, parse: Callable[[], _Parsed]) -> _Parsed:
    """Return what is made of an answer, or raise that it is not one of a controller."""
    try:
        return parse()
    except UnknownTargetError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise client.unexpected_response() from error


def fetch_rasps(client: ApiClient, targets: Iterable[str], **filters: Any) -> list[Any]:
    """Return the rasps that fit the API's filters, and, where targets are given, are in them.

    Raises:
        UsageError: a target names no place of this rack.
    """
    words = tuple(targets)
    found = client.get("rasps", list, **filters)
    if not words:
        return found
    places = resolve_targets(client, words)
    return parse_response(
        client, lambda: [each for each in found if (each["stack"], each["slot"]) in places]
    )


def resolve_targets(client: ApiClient, targets: Iterable[str]) -> set[tuple[int, int]]:
    """Return the places, (stack, slot), that targets name.

    Raises:
        UsageError: one of them names no place of this rack.
    """
    stacks = client.get("stacks", list)
    sizes = parse_response(client, lambda: [len(stack["rasps"]) for stack in stacks])
    try:
        return parse_targets(sizes, targets)
    except UnknownTargetError as error:
        raise UsageError(str(error)) from error
