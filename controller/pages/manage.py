"""Table of all rasps with search, filters and sorting."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from controller.state.model import RackState, RaspState, RaspStatus, StackState
from controller.state.search import filter_rasps
from controller.web.responses import render_page
from controller.web.schemas import RaspsQuery

_MAX_QUERY_CHARS = 100
_MAX_STACK_DIGITS = 8

SORT_COLUMNS: Mapping[str, tuple[str, Callable[[RaspState], Any]]] = {
    "rasp": ("Rasp", lambda rasp: rasp.slot.id),
    "state": ("State", lambda rasp: list(RaspStatus).index(rasp.state)),
    "ip": ("IP", lambda rasp: rasp.rasp.address if rasp.rasp else None),
    "mac": ("MAC", lambda rasp: rasp.rasp.mac if rasp.rasp else None),
    "temperature": ("Temp.", lambda rasp: rasp.temperature_celsius),
    "cpu": ("CPU", lambda rasp: rasp.cpu_busy_cores),
    "memory": ("Memory", lambda rasp: rasp.memory_used_ratio),
    "ping": ("Last ping", lambda rasp: rasp.pinged_at),
}
"""Heading and sort key of each column."""


def blueprint(read_state: Callable[[], RackState]) -> Blueprint:
    """Return the view of `/manage`."""
    pages = Blueprint("manage", __name__)

    @pages.get("/manage")
    def show() -> Response:
        rack_state = read_state()
        filters = _requested_filters(rack_state)
        sort = request.args.get("sort", "rasp")
        if sort not in SORT_COLUMNS:
            sort = "rasp"
        is_descending = request.args.get("order") == "desc"
        rasps = filter_rasps(
            rack_state.rasps, stack=filters.stack, state=filters.state, text=filters.q
        )
        return render_page(
            "manage.html",
            rack_state=rack_state,
            RaspStatus=RaspStatus,
            filters=filters,
            columns=SORT_COLUMNS,
            sort=sort,
            is_descending=is_descending,
            groups=_group_by_stack(rack_state, rasps, sort, is_descending=is_descending),
            match_count=len(rasps),
            is_filtered=len(rasps) < len(rack_state.rasps),
        )

    return pages


def _requested_filters(rack_state: RackState) -> RaspsQuery:
    """Return the filters of the current request. Invalid values are ignored."""
    stack, state = request.args.get("stack", ""), request.args.get("state", "")
    is_number = stack.isascii() and stack.isdecimal() and len(stack) <= _MAX_STACK_DIGITS
    number = int(stack) if is_number else 0
    return RaspsQuery(
        stack=number if 1 <= number <= len(rack_state.stacks) else None,
        state=RaspStatus(state) if state in set(RaspStatus) else None,
        q=request.args.get("q", "")[:_MAX_QUERY_CHARS] or None,
    )


def _group_by_stack(
    rack_state: RackState, rasps: list[RaspState], sort: str, *, is_descending: bool
) -> list[tuple[StackState | None, list[RaspState]]]:
    """Group the rasps by stack if they are sorted by name. Otherwise return one group."""
    if sort != "rasp":
        return [(None, sort_rasps(rasps, SORT_COLUMNS[sort][1], is_descending=is_descending))]
    stacks = reversed(rack_state.stacks) if is_descending else rack_state.stacks
    by_stack: dict[int, list[RaspState]] = {}
    for rasp in rasps:
        by_stack.setdefault(rasp.slot.stack, []).append(rasp)
    return [
        (stack, by_stack[stack.stack.number]) for stack in stacks if stack.stack.number in by_stack
    ]


def sort_rasps(
    rasps: Iterable[RaspState], key: Callable[[RaspState], Any], *, is_descending: bool
) -> list[RaspState]:
    """Return the rasps sorted by a key. Rasps without a value come last in both directions."""
    rasps = list(rasps)
    known = [rasp for rasp in rasps if key(rasp) is not None]
    unknown = [rasp for rasp in rasps if key(rasp) is None]
    return sorted(known, key=key, reverse=is_descending) + unknown
