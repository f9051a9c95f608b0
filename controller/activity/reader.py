"""Read the activity of a time from pirack.db and Prometheus.

Each source returns its newest rows of the time, up to a limit. A page ends where a source has
further rows, so that no event is missing between the first and the last event of a page.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from controller.activity.model import (
    ActivityFilter,
    ActivityKind,
    Event,
    sees_everything,
    visible_kinds,
)
from controller.activity.timeline import ActivitySources, build_events, first_page, without_actors
from controller.audit import LOG_IN_ACTION, LOG_OUT_ACTION, Audit
from controller.auth.roles import Role
from controller.experiments.service import ExperimentService
from controller.installation.service import InstallService
from controller.orders.service import OrderService
from controller.state.history import RaspHistory
from controller.state.prometheus import PrometheusUnavailableError, Series
from rack.errors import DatabaseError

MAX_EVENTS = 500
"""Maximum number of events of a page, except for events at the same time."""

_MAX_ROWS = 2000  # more than the outlets of a large rack, which can be switched at the same time
_CAUSE_SECONDS = 3600.0  # orders and installs of this time before can be causes
_RECORDED_KINDS = frozenset({ActivityKind.STATE, ActivityKind.ALERT})
_HIDDEN_REASON = "only operators see these events"
_NOT_RECORDED_REASON = (
    "Prometheus recorded no changes in this time: it did not run, or no longer has the data"
)
_RECORDED_LATER_REASON = "Prometheus recorded no earlier changes"

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class UnavailableKinds:
    """Kinds of events that are missing.

    Attributes:
        kinds: The kinds.
        reason: Why they are missing.
        since: Time from which they are not missing, or None if there is none.
    """

    kinds: tuple[ActivityKind, ...]
    reason: str
    since: float | None = None


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """Events of a time, newest first.

    Attributes:
        events: The events.
        start: Seconds since the epoch, after which the time begins.
        end: Seconds since the epoch at which the time ends.
        older_end: End of the next page of this time, or None if this page is the last one.
        unavailable: Kinds of events that are missing.
    """

    events: tuple[Event, ...]
    start: float
    end: float
    older_end: float | None = None
    unavailable: tuple[UnavailableKinds, ...] = ()


class Activity:
    """Reader of the activity.

    Args:
        orders: Orders and power edges.
        experiments: Runs.
        installation: Installs.
        audit: Audit log with the logins.
        history: Changes of states and alerts.
    """

    def __init__(
        self,
        orders: OrderService,
        experiments: ExperimentService,
        installation: InstallService,
        audit: Audit,
        history: RaspHistory,
    ) -> None:
        self._orders = orders
        self._experiments = experiments
        self._installation = installation
        self._audit = audit
        self._history = history

    def events(
        self,
        start: float,
        end: float,
        activity_filter: ActivityFilter | None = None,
        *,
        role: Role | None,
        limit: int = MAX_EVENTS,
    ) -> ActivityPage:
        """Return the newest events after `start` and until `end`.

        Sources that cannot be read are in `unavailable`, with the reason.

        Args:
            start: Seconds since the epoch.
            end: Seconds since the epoch.
            activity_filter: Conditions for the events.
            role: Role of the reader, which may hide kinds of events, and actors.
            limit: Maximum number of events, unless more of them have the same time.
        """
        conditions = activity_filter or ActivityFilter()
        wanted = conditions.kinds or frozenset(ActivityKind)
        visible = wanted & visible_kinds(role)
        reading = _Reading(start, end)
        sources = self._read(reading, visible)
        if hidden := wanted - visible:
            reading.add_unavailable(hidden, _HIDDEN_REASON)
        actions = self._orders.actions.for_stacks
        disruptive = {action.name for action in actions if action.is_disruptive}
        events = build_events(sources, self._orders.rack, disruptive)
        if not sees_everything(role):
            events = without_actors(events)
        matching = [
            event
            for event in events
            if start < event.time <= end and event.kind in visible and conditions.matches(event)
        ]
        shown, older_end = first_page(matching, limit, start, reading.complete_after)
        return ActivityPage(shown, start, end, older_end, tuple(reading.unavailable))

    def _read(self, reading: "_Reading", wanted: frozenset[ActivityKind]) -> ActivitySources:
        """Read what is wanted, and the orders, edges and installs that can be causes."""
        kinds, end = ActivityKind, reading.end
        start, earlier = reading.start, reading.start - _CAUSE_SECONDS
        login_actions = (LOG_IN_ACTION, LOG_OUT_ACTION)
        return ActivitySources(
            orders=reading.rows(
                [kinds.ORDER],
                lambda: self._orders.list_between(earlier, end, _MAX_ROWS),
                lambda order: order.started_at,
            ),
            edges=reading.rows(
                [kinds.POWER],
                lambda: self._orders.power_edges.list_between(earlier, end, _MAX_ROWS),
                lambda edge: edge.time,
            ),
            installs=reading.rows(
                [kinds.INSTALL, kinds.REPLACEMENT],
                lambda: self._installation.list_between(earlier, end, _MAX_ROWS),
                lambda record: record.started_at,
            ),
            runs=reading.rows(
                [kinds.EXPERIMENT],
                lambda: self._experiments.list_between(start, end, _MAX_ROWS),
                lambda run: run.started_at,
            )
            if kinds.EXPERIMENT in wanted
            else (),
            logins=reading.rows(
                [kinds.LOGIN],
                lambda: self._audit.list_between(start, end, _MAX_ROWS, login_actions),
                lambda record: record.time,
            )
            if kinds.LOGIN in wanted
            else (),
            changes=self._changes(reading) if wanted & _RECORDED_KINDS else (),
        )

    def _changes(self, reading: "_Reading") -> Sequence[Series]:
        try:
            changes = self._history.changes(reading.start, reading.end)
        except PrometheusUnavailableError as error:
            reading.add_unavailable(_RECORDED_KINDS, str(error))
            return ()
        if changes.since is None:
            reading.add_unavailable(_RECORDED_KINDS, _NOT_RECORDED_REASON)
        elif changes.since > reading.start:
            reading.add_unavailable(_RECORDED_KINDS, _RECORDED_LATER_REASON, since=changes.since)
        return changes.series


class _Reading:
    """What was found out while the sources were read.

    Attributes:
        start: Start of the time.
        end: End of the time.
        complete_after: Time after which all rows were read.
        unavailable: Kinds of events that are missing.
    """

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end
        self.complete_after = start
        self.unavailable: list[UnavailableKinds] = []

    def rows(
        self,
        kinds: Sequence[ActivityKind],
        read: Callable[[], Sequence[_Row]],
        time_of: Callable[[_Row], float],
    ) -> Sequence[_Row]:
        """Return the rows of a source, none if it cannot be read."""
        try:
            rows = read()
        except DatabaseError as error:
            self.add_unavailable(kinds, str(error))
            return ()
        if len(rows) >= _MAX_ROWS:
            # The end is excluded so that the next page is an earlier one.
            oldest = min(*map(time_of, rows), math.nextafter(self.end, -math.inf))
            self.complete_after = max(self.complete_after, oldest)
        return rows

    def add_unavailable(
        self, kinds: Collection[ActivityKind], reason: str, *, since: float | None = None
    ) -> None:
        """Note that kinds of events are missing, all or only before `since`."""
        in_order = tuple(kind for kind in ActivityKind if kind in kinds)
        self.unavailable.append(UnavailableKinds(in_order, reason, since))
