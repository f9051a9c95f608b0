"""An order that runs, followed to its end."""

import time
from typing import Any

import click
from rich.live import Live

from cli import order_tables, tables
from cli.answers import made
from cli.controller import Controller
from cli.errors import ControllerError

_ASK_SECONDS = 0.5
_AWAY_SECONDS = 60.0
_OPEN = {"running", "cancelling"}
_FAILED = 1


def follow(controller: Controller, order: dict[str, Any]) -> dict[str, Any]:
    """Return an order as it is at its end; on a terminal, show how far it is.

    Ctrl-C ends the following, not the order. A controller that is started anew meanwhile is waited
    for.

    Raises:
        ControllerError: the controller is away for too long.
    """
    if is_over(controller, order):
        return order
    number = made(controller, lambda: int(order["id"]))
    live = Live(console=tables.console(stderr=True), auto_refresh=False, transient=True)
    try:
        if live.console.is_terminal:
            live.start()
        heard = time.monotonic()
        while not is_over(controller, order):
            _show(controller, order, live)
            time.sleep(_ASK_SECONDS)
            try:
                order = controller.get(f"orders/{number}", dict)
                heard = time.monotonic()
            except ControllerError as error:
                if time.monotonic() - heard > _AWAY_SECONDS:
                    raise ControllerError(f"{error.message}; {_goes_on(number)}") from error
    except KeyboardInterrupt:
        live.stop()
        click.echo(f"pirack: {_goes_on(number)}", err=True)
        raise
    finally:
        live.stop()
    return order


def is_over(controller: Controller, order: dict[str, Any]) -> bool:
    """Tell whether nothing more comes of an order."""
    return made(controller, lambda: order["state"] not in _OPEN)


def status(controller: Controller, order: dict[str, Any]) -> int:
    """Return the exit status for an order: 1 if a target failed, or nobody knows."""

    def is_well() -> bool:
        counts = order["counts"]
        return not (counts["failed"] or counts["unknown"]) and (
            order["result"] == "ok" or order["state"] in _OPEN
        )

    return 0 if made(controller, is_well) else _FAILED


def _show(controller: Controller, order: dict[str, Any], live: Live) -> None:
    if live.is_started:
        height = live.console.height
        live.update(made(controller, lambda: order_tables.progress(order, height)), refresh=True)


def _goes_on(number: int) -> str:
    return (
        f"order {number} goes on: `pirack order {number} --watch` follows it,"
        f" `pirack cancel {number}` ends it"
    )
