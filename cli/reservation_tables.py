"""Texts and tables of reservations and quotas."""

import math
import time
from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from cli.reservation_models import ApiQuota, ApiReservation
from cli.tables import cell, format_time
from rack.names import stack_name
from rack.terminal import make_table

_MINUTE = 60.0
_ORDINAL_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}
_TEENS = range(11, 14)


def reservation_line(reservation: ApiReservation) -> RenderableType:
    """Return a line such as `active: stacks 01 02 03 until 14:35 (reservation 7)`."""
    if reservation.state == "active":
        text = f"{_stacks(reservation)} {_until(reservation)}"
    elif reservation.state == "queued":
        text = _queue_place(reservation)
    else:
        text = reservation.end_reason
    return cell(f"{reservation.state}: {text} (reservation {reservation.id})")


def reservation_table(reservations: Iterable[ApiReservation]) -> RenderableType:
    """Return a table with a row for each reservation."""
    rows = [
        (
            str(each.id),
            each.owner,
            each.state,
            _stacks(each) if each.stacks else each.selection,
            _until(each) if each.state == "active" else _queue_place(each),
        )
        for each in reservations
    ]
    if not rows:
        return Text("No reservations.")
    return make_table("ID", "OWNER", "STATE", "STACKS", "TIME", rows=rows)


def quota_line(quota: ApiQuota) -> RenderableType:
    """Return a line with the limits of a quota."""
    return cell(
        f"{quota.name}: {quota.stacks} stacks, {quota.seconds / _MINUTE:g} min"
        f" for each of {' '.join(quota.members)}"
    )


def quota_table(quotas: Iterable[ApiQuota]) -> RenderableType:
    """Return a table with a row for each quota."""
    rows = [
        (each.name, str(each.stacks), f"{each.seconds / _MINUTE:g} min", " ".join(each.members))
        for each in quotas
    ]
    return (
        make_table("NAME", "STACKS", "TIME", "MEMBERS", rows=rows) if rows else Text("No quotas.")
    )


def ordinal(number: int) -> str:
    """Return a number such as `4th`."""
    suffix = "th" if number % 100 in _TEENS else _ORDINAL_SUFFIXES.get(number % 10, "th")
    return f"{number}{suffix}"


def _stacks(reservation: ApiReservation) -> str:
    names = " ".join(map(stack_name, reservation.stacks))
    return f"{'stack' if len(reservation.stacks) == 1 else 'stacks'} {names}"


def _until(reservation: ApiReservation) -> str:
    """Return the end of an active reservation on the clock of this machine."""
    if reservation.seconds_left is None:
        return ""
    now = time.time()
    end = now + reservation.seconds_left
    is_today = format_time(end, "%F") == format_time(now, "%F")
    return f"until {format_time(end, '%H:%M' if is_today else '%F %H:%M')}"


def _queue_place(reservation: ApiReservation) -> str:
    return ", ".join(filter(None, [_place(reservation), _wait(reservation)]))


def _place(reservation: ApiReservation) -> str:
    return "" if reservation.position is None else ordinal(reservation.position)


def _wait(reservation: ApiReservation) -> str:
    if reservation.wait_seconds is None:
        return ""
    minutes = math.ceil(reservation.wait_seconds / _MINUTE)
    return f"about {minutes} min" if minutes > 1 else "at most 1 min"
