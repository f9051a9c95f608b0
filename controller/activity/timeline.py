"""Build the events of a time from what is stored and recorded about it, and choose a page."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from controller.activity.causes import Origins, StateCauses
from controller.activity.model import Event
from controller.activity.recorded import alert_events, state_events
from controller.activity.stored import (
    edge_event,
    install_event,
    login_event,
    order_event,
    run_event,
)
from controller.audit import AuditRecord
from controller.experiments.model import RunHeader
from controller.orders.model import OrderSummary
from controller.state.prometheus import Series
from dhcp_installer.install.journal import InstallRecord
from rack.layout import Rack
from rack.power.edges import Edge


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySources:
    """What is stored and recorded about a time.

    Orders, edges and installs of an earlier time can be causes of later changes.
    """

    orders: Sequence[OrderSummary] = ()
    edges: Sequence[Edge] = ()
    installs: Sequence[InstallRecord] = ()
    runs: Sequence[RunHeader] = ()
    logins: Sequence[AuditRecord] = ()
    changes: Sequence[Series] = ()


def build_events(sources: ActivitySources, rack: Rack, disruptive: Collection[str]) -> list[Event]:
    """Return the events of all sources with their causes, newest first.

    Args:
        sources: What is stored and recorded.
        rack: Layout of the rack.
        disruptive: Names of the actions that take rasps down.
    """
    origins = Origins(sources.orders, sources.installs)
    causes = StateCauses(rack, origins, disruptive)
    causes.add(sources.orders, sources.edges, sources.installs)
    stacks = [stack.number for stack in rack.stacks]
    events = [
        *(order_event(order, origins) for order in sources.orders),
        *(edge_event(edge, origins) for edge in sources.edges),
        *(install_event(record, stacks) for record in sources.installs),
        *(run_event(run, sources.orders, origins) for run in sources.runs),
        *map(login_event, sources.logins),
        *map(causes.with_cause, state_events(sources.changes)),
        *alert_events(sources.changes),
    ]
    return sorted(events, key=lambda event: event.time, reverse=True)


def without_actors(events: Iterable[Event]) -> list[Event]:
    """Return the events for a reader who may not see who caused them."""
    return [replace(event, actor="") for event in events]


def first_page(
    events: Sequence[Event], limit: int, start: float, complete_after: float
) -> tuple[tuple[Event, ...], float | None]:
    """Return the newest events, and the end of the next page or None if there is none.

    Events at the same time are on the same page.

    Args:
        events: Events after `start`, newest first.
        limit: Maximum number of events, unless more of them have the same time.
        start: Seconds since the epoch.
        complete_after: Time after which no source has further rows, `start` or later. Older events
            are on the next page.
    """
    complete = [event for event in events if event.time > complete_after]
    if len(complete) <= limit:
        return tuple(complete), (complete_after if complete_after > start else None)
    boundary = complete[limit].time
    page = tuple(event for event in complete if event.time > boundary)
    if page:
        return page, boundary
    same_time = tuple(event for event in complete if event.time == boundary)
    return same_time, math.nextafter(boundary, -math.inf)
