"""Functions that most commands share: fetch rasps, resolve targets, print a response."""

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

import click
from rich.console import RenderableType

from cli.api_client import ApiClient
from cli.models import ApiRasp, ApiResponse, ApiStack
from rack.targets import SYNTAX, TargetParser
from rack.terminal import print_table

ClientFactory = Callable[[], ApiClient]

_T = TypeVar("_T")

TARGETS_HELP = f"TARGETS are {SYNTAX}."
"""Last paragraph of the help of commands for targets."""

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_response(
    response: ApiResponse[_T], render: Callable[[_T], RenderableType], *, as_json: bool
) -> None:
    """Print a response as a table, or as the received JSON."""
    if as_json:
        click.echo(json.dumps(response.json, indent=2))
    else:
        print_table(render(response.data))


def fetch_rasps(
    client: ApiClient, targets: Iterable[str], **filters: object
) -> ApiResponse[list[ApiRasp]]:
    """Return the rasps that match the API's filters and, if given, the targets.

    Raises:
        UnknownTargetError: If a target is malformed, ambiguous or does not exist.
    """
    expressions = tuple(targets)
    response = client.get("rasps", list[ApiRasp], **filters)
    if not expressions:
        return response
    slots = target_parser(client).slots(expressions)
    selected = [
        (received, rasp)
        for received, rasp in zip(response.json, response.data, strict=True)
        if (rasp.stack, rasp.slot) in slots
    ]
    return ApiResponse([received for received, _ in selected], [rasp for _, rasp in selected])


def target_parser(client: ApiClient) -> TargetParser:
    """Return a parser of targets in the controller's rack."""
    stacks = client.get("stacks", list[ApiStack]).data
    return TargetParser([len(stack.rasps) for stack in stacks])
