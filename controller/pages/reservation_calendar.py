"""Calendar of the stacks: who has them until when, and who probably gets them next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.pages.charts import chart_x
from controller.reservations.model import QueuePlace, Reservation, ReservationState
from controller.reservations.service import ReservationService

_MINUTE = 60
_MIN_SECONDS = 30 * _MINUTE
_MAX_SECONDS = 24 * 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """A period in which a stack is reserved, and its coordinates.

    Attributes:
        owner: User or token.
        is_expected: Whether the reservation is still queued, so that the period is an estimate.
        start: Begin of the period, in seconds since the epoch.
        end: End of the period.
        x: Coordinate of the begin.
        width: Width of the visible part.
    """

    owner: str
    is_expected: bool
    start: float
    end: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class ReservationCalendar:
    """Periods of the stacks that are reserved or waited for, by stack number."""

    start: float
    end: float
    stacks: Mapping[int, tuple[CalendarEntry, ...]]


def read_calendar(reservations: ReservationService, now: float) -> ReservationCalendar | None:
    """Return the calendar from now, or None if nothing is reserved."""
    listed = reservations.list_open()
    if not listed:
        return None
    return build_calendar(listed, reservations.places(), now)


def build_calendar(
    reservations: Iterable[Reservation], places: Mapping[int, QueuePlace], now: float
) -> ReservationCalendar:
    """Return a calendar.

    Args:
        reservations: The active and queued reservations.
        places: Places of the queued reservations.
        now: Seconds since the epoch.
    """
    # Whole minutes, so that the page does not change with each request.
    start = now // _MINUTE * _MINUTE
    periods = [
        (*period, reservation)
        for reservation in reservations
        if (period := _period(reservation, places.get(reservation.id), now))
    ]
    latest = max((end for _, _, end, _ in periods), default=start)
    end = start + min(max(latest - start, _MIN_SECONDS), _MAX_SECONDS)
    rows: dict[int, list[CalendarEntry]] = {}
    for stacks, begins_at, ends_at, reservation in periods:
        x = chart_x(min(max(begins_at, start), end), start, end)
        width = round(chart_x(min(max(ends_at, start), end), start, end) - x, 1)
        is_expected = reservation.state is ReservationState.QUEUED
        entry = CalendarEntry(reservation.owner, is_expected, begins_at, ends_at, x, width)
        for stack in stacks:
            rows.setdefault(stack, []).append(entry)
    by_time = {
        stack: tuple(sorted(row, key=lambda entry: entry.start)) for stack, row in rows.items()
    }
    return ReservationCalendar(start, end, dict(sorted(by_time.items())))


def _period(
    reservation: Reservation, place: QueuePlace | None, now: float
) -> tuple[tuple[int, ...], float, float] | None:
    """Return the stacks of a reservation, its begin and its end, or None if they are unknown."""
    if reservation.started_at is not None and reservation.ends_at is not None:
        return reservation.stacks, reservation.started_at, reservation.ends_at
    if place is None or place.wait_seconds is None:
        return None
    begins_at = now + place.wait_seconds
    return place.stacks, begins_at, begins_at + reservation.seconds
