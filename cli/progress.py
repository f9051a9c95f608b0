"""An order that runs, followed to its end."""

import time
from typing import Any

import click
from rich.live import Live

from cli import order_tables, tables
from cli.api_client import ApiClient
from cli.errors import ControllerError
from cli.output import parse_response

_POLL_INTERVAL = 0.5
_OUTAGE_TIMEOUT = 60.0
_UNFINISHED_STATES = {"running", "cancelling"}
_EXIT_FAILED = 1


def wait_for_order(client: ApiClient, order: dict[str, Any]) -> dict[str, Any]:
    """Return an order as it is at its end; on a terminal, show how far it is.

    Ctrl-C ends the following, not the order. A controller that is started anew meanwhile is waited
    for.

    Raises:
        ControllerError: the controller is away for too long.
    """
    if is_finished(client, order):
        return order
    number = parse_response(client, lambda: int(order["id"]))
    live = Live(console=tables.make_console(stderr=True), auto_refresh=False, transient=True)
    try:
        if live.console.is_terminal:
            live.start()
        heard = time.monotonic()
        while not is_finished(client, order):
            _update_display(client, order, live)
            time.sleep(_POLL_INTERVAL)
            try:
                order = client.get(f"orders/{number}", dict)
                heard = time.monotonic()
            except ControllerError as error:
                if time.monotonic() - heard > _OUTAGE_TIMEOUT:
                    raise ControllerError(f"{error.message}; {_continues_hint(number)}") from error
    except KeyboardInterrupt:
        live.stop()
        click.echo(f"pirack: {_continues_hint(number)}", err=True)
        raise
    finally:
        live.stop()
    return order


def is_finished(client: ApiClient, order: dict[str, Any]) -> bool:
    """Tell whether nothing more comes of an order."""
    return parse_response(client, lambda: order["state"] not in _UNFINISHED_STATES)


def exit_status(client: ApiClient, order: dict[str, Any]) -> int:
    """Return the exit status for an order: 1 if a target failed, or nobody knows."""

    def is_well() -> bool:
        counts = order["counts"]
        return not (counts["failed"] or counts["unknown"]) and (
            order["result"] == "ok" or order["state"] in _UNFINISHED_STATES
        )

    return 0 if parse_response(client, is_well) else _EXIT_FAILED


def _update_display(client: ApiClient, order: dict[str, Any], live: Live) -> None:
    if live.is_started:
        height = live.console.height
        live.update(
            parse_response(client, lambda: order_tables.order_progress(order, height)), refresh=True
        )


def _continues_hint(order_id: int) -> str:
    return (
        f"order {order_id} goes on: `pirack order {order_id} --watch` follows it,"
        f" `pirack cancel {order_id}` ends it"
    )
