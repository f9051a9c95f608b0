"""What every command does with an answer: ask for it, hold it to what it must be, print it."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from rich.console import RenderableType

from cli import tables
from cli.controller import Controller
from cli.errors import UsageError
from rack.errors import UnknownPlace
from rack.places import find

Connect = Callable[[], Controller]

_Made = TypeVar("_Made")

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def show(
    controller: Controller, answer: object, table: Callable[[], RenderableType], *, as_json: bool
) -> None:
    """Print an answer, as JSON or as a table."""
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        tables.show(made(controller, table))


def made(controller: Controller, make: Callable[[], _Made]) -> _Made:
    """Return what is made of an answer, or raise that it is not one of a controller."""
    try:
        return make()
    except UnknownPlace:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise controller.stranger() from error


def rasps(controller: Controller, targets: Iterable[str], **filters: Any) -> list[Any]:
    """Return the rasps that fit the API's filters, and, where targets are given, are in them.

    Raises:
        UsageError: a target names no place of this rack.
    """
    words = tuple(targets)
    found = controller.get("rasps", list, **filters)
    if not words:
        return found
    places = named(controller, words)
    return made(
        controller, lambda: [each for each in found if (each["stack"], each["slot"]) in places]
    )


def named(controller: Controller, targets: Iterable[str]) -> set[tuple[int, int]]:
    """Return the places, (stack, slot), that targets name.

    Raises:
        UsageError: one of them names no place of this rack.
    """
    stacks = controller.get("stacks", list)
    sizes = made(controller, lambda: [len(stack["rasps"]) for stack in stacks])
    try:
        return find(sizes, targets)
    except UnknownPlace as error:
        raise UsageError(str(error)) from error
