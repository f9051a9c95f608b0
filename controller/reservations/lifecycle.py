"""Decide how reservations start, change and end. Pure functions.

A deadline counts on the clock since the boot of the master. The time of day of the end follows it.
"""

from dataclasses import replace

from controller.reservations.model import Reservation, ReservationState
from rack.clock import Moment

_MAX_CLOCK_ERROR = 2.0  # a larger difference of both clocks means that the clock was set
_TIME_IS_OVER = "its time is over"


def resumed(reservation: Reservation, now: Moment, boot_id: str) -> Reservation:
    """Return a stored reservation with its deadline in this boot."""
    if reservation.ends_at is None or reservation.boot_id == boot_id:
        return reservation
    left = min(max(reservation.ends_at - now.time, 0.0), reservation.seconds)
    return replace(reservation, deadline=now.monotonic + left, boot_id=boot_id)


def started(
    reservation: Reservation, stacks: tuple[int, ...], now: Moment, boot_id: str
) -> Reservation:
    """Return a queued reservation that starts now, with its stacks."""
    return replace(
        reservation,
        state=ReservationState.ACTIVE,
        stacks=stacks,
        started_at=now.time,
        ends_at=now.time + reservation.seconds,
        deadline=now.monotonic + reservation.seconds,
        boot_id=boot_id,
    )


def extended(reservation: Reservation, seconds: float, now: Moment) -> Reservation:
    """Return an active reservation that ends later."""
    return replace(
        reservation,
        seconds=reservation.seconds + seconds,
        ends_at=(reservation.ends_at or now.time) + seconds,
        deadline=(reservation.deadline or now.monotonic) + seconds,
    )


def ended(reservation: Reservation, reason: str, now: Moment) -> Reservation:
    """Return a reservation that ends now."""
    return replace(
        reservation,
        state=ReservationState.ENDED,
        ends_at=now.time,
        end_reason=reason,
        deadline=None,
    )


def clock_corrected(reservation: Reservation, now: Moment) -> Reservation | None:
    """Return a reservation with the corrected time of day of its end.

    Returns:
        None if it needs no correction: the clock was not set, and the master has not booted.
    """
    if reservation.deadline is None or reservation.ends_at is None:
        return None
    ends_at = now.time + reservation.deadline - now.monotonic
    if abs(ends_at - reservation.ends_at) <= _MAX_CLOCK_ERROR:
        return None
    return replace(reservation, ends_at=ends_at)


def due_reason(reservation: Reservation, lease_end: float | None, now: Moment) -> str:
    """Return why a reservation ends now, or an empty string.

    Args:
        reservation: A reservation that has not ended.
        lease_end: End of its lease in seconds since the boot of the master, or None.
        now: The current time.
    """
    if lease_end is not None and now.monotonic >= lease_end:
        return f"not renewed for {reservation.lease_seconds:g} s"
    if reservation.deadline is not None and now.monotonic >= reservation.deadline:
        return _TIME_IS_OVER
    return ""
