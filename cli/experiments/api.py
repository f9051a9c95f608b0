"""Requests to the API for experiments that several commands share."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cli.api_client import ApiClient, ControllerError
from cli.experiments.models import ApiDryRun, ApiRun, ApiRunEvent
from cli.experiments.user_command import Node
from cli.models import ApiRasp, ApiResponse
from cli.reservation_models import ApiReservation
from rack.errors import PiRackError
from rack.terminal import CommandError

_ACTIVE = "active"
_MAX_EVENTS = 100_000


@dataclass(frozen=True)
class RunRequest:
    """A run to request, and the fields of the API's request.

    Attributes:
        file: Name of the plan file.
        text: Content of the plan file.
        seed: The seed.
        replay_of: Run that is repeated, or None.
    """

    file: str
    text: str
    seed: int
    replay_of: int | None = None


class NodeError(PiRackError):
    """A node of a plan cannot be used from this machine."""


def fetch_plan(
    client: ApiClient, request: RunRequest, reservation: int | None
) -> ApiResponse[ApiDryRun]:
    """Return the plan of a run on the stacks of a reservation, or on any.

    Raises:
        CommandError: If the plan is wrong.
        ControllerError: If the controller is unavailable, or refuses the request.
    """
    fields = {**asdict(request), "reservation": reservation}
    return client.post("experiments/plans", ApiDryRun, **fields)


def find_reservation(
    client: ApiClient, request: RunRequest
) -> tuple[ApiReservation | None, ApiResponse[ApiDryRun]]:
    """Return an active reservation of the user that fits, or None, and the plan on its stacks.

    Raises:
        CommandError: If the plan is wrong.
    """
    for reservation in client.get("reservations", list[ApiReservation]).data:
        # One with a lease belongs to another `pirack experiment run`.
        if (
            reservation.is_mine
            and reservation.state == _ACTIVE
            and reservation.lease_seconds is None
        ):
            try:
                return reservation, fetch_plan(client, request, reservation.id)
            except ControllerError:
                raise
            except CommandError:  # it has too few stacks, or others than the plan names
                continue
    return None, fetch_plan(client, request, None)


def start_run(client: ApiClient, request: RunRequest, reservation: int) -> ApiRun:
    """Start a run. Raises the errors of `fetch_plan`."""
    fields = {**asdict(request), "reservation": reservation}
    return client.post("experiments", ApiRun, **fields).data


def fetch_events(client: ApiClient, run: int) -> ApiResponse[list[ApiRunEvent]]:
    """Return all events of a run."""
    received: list[Any] = []
    events: list[ApiRunEvent] = []
    while len(events) < _MAX_EVENTS:
        after = events[-1].number if events else 0
        page = client.get(f"experiments/{run}/events", list[ApiRunEvent], after=after)
        if not page.data:
            break
        received += page.json
        events += page.data
    return ApiResponse(received, events)


def fetch_nodes(client: ApiClient, names: Sequence[str]) -> list[Node]:
    """Return the nodes with these names and their addresses.

    Raises:
        NodeError: If a node has no address.
    """
    rasps = {rasp.name: rasp for rasp in client.get("rasps", list[ApiRasp]).data}
    return [_node(rasps.get(name), name) for name in names]


def _node(rasp: ApiRasp | None, name: str) -> Node:
    if rasp is None or rasp.ip is None:
        raise NodeError(f"node {name} has no address: run `pirack install`, or use other nodes")
    return Node(rasp.name, rasp.ip)
