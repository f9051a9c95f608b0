"""Wait for an order or an install, with a progress display on terminals."""

import time
from collections.abc import Callable
from typing import TypeVar

import click
from rich.console import RenderableType
from rich.live import Live

from cli import install_tables, order_tables
from cli.api_client import ApiClient, ControllerError
from cli.models import ApiInstallation, ApiOrder, ApiResponse
from cli.stop_request import StopRequest
from rack.terminal import make_console

_POLL_INTERVAL = 0.5
_OUTAGE_TIMEOUT = 60.0  # a restart of the controller takes less

_Job = TypeVar("_Job", ApiOrder, ApiInstallation)


def wait_for_order(client: ApiClient, response: ApiResponse[ApiOrder]) -> ApiResponse[ApiOrder]:
    """Return an order when it is finished.

    Raises:
        ControllerError: If the controller is unavailable for a minute.
        KeyboardInterrupt: If the user presses Ctrl-C. The order continues.
    """
    number = response.data.id
    return _wait(
        response,
        lambda: client.get(f"orders/{number}", ApiOrder),
        order_tables.order_progress,
        f"order {number} continues: wait for it with `pirack order {number} --watch`,"
        f" or cancel it with `pirack cancel {number}`",
    )


def wait_for_install(
    client: ApiClient, response: ApiResponse[ApiInstallation]
) -> ApiResponse[ApiInstallation]:
    """Return an install when it is finished. Raises the errors of `wait_for_order`."""
    return _wait(
        response,
        lambda: client.get("installation", ApiInstallation),
        install_tables.install_progress,
        "the install continues: show it with `pirack install --status`,"
        " or stop it with `pirack install --stop`",
    )


def _wait(
    response: ApiResponse[_Job],
    fetch: Callable[[], ApiResponse[_Job]],
    render: Callable[[_Job, int], RenderableType],
    hint: str,
) -> ApiResponse[_Job]:
    if response.data.is_finished:
        return response
    live = Live(console=make_console(stderr=True), auto_refresh=False, transient=True)
    last_response = time.monotonic()
    with StopRequest() as stop:
        try:
            if live.console.is_terminal:
                live.start()
            while not stop.is_wanted:
                if live.is_started:
                    live.update(render(response.data, live.console.height), refresh=True)
                time.sleep(_POLL_INTERVAL)
                try:
                    response = fetch()
                    last_response = time.monotonic()
                except ControllerError as error:
                    if time.monotonic() - last_response > _OUTAGE_TIMEOUT:
                        raise ControllerError(f"{error.message}; {hint}") from error
                if response.data.is_finished:
                    return response
        finally:
            live.stop()
    click.echo(f"pirack: {hint}", err=True)
    raise KeyboardInterrupt
