"""Every rasp in a table: searched, filtered, sorted."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from controller.state.model import RackState, RaspState, RaspStatus
from controller.web.api import filter_rasps
from controller.web.responses import render_page
from controller.web.schemas import RaspsQuery

_MAX_QUERY_CHARS = 100

SORT_COLUMNS: Mapping[str, tuple[str, Callable[[RaspState], Any]]] = {
    "place": ("Rasp", lambda rasp: rasp.slot.id),
    "state": ("RaspStatus", lambda rasp: list(RaspStatus).index(rasp.state)),
    "ip": ("IP", lambda rasp: rasp.rasp.address if rasp.rasp else None),
    "mac": ("MAC", lambda rasp: rasp.rasp.mac if rasp.rasp else None),
    "temperature": ("Temp.", lambda rasp: rasp.temperature_celsius),
    "cpu": ("CPU", lambda rasp: rasp.cpu_busy_cores),
    "memory": ("Memory", lambda rasp: rasp.memory_used_ratio),
    "ping": ("Last ping", lambda rasp: rasp.pinged_at),
}
"""By what the table may be sorted: the column's word, and what is compared."""


def blueprint(state: Callable[[], RackState]) -> Blueprint:
    """Return `/manage`; `state` is asked at each request."""
    pages = Blueprint("manage", __name__)

    @pages.get("/manage")
    def show() -> Response:
        now = state()
        wanted = _requested_filters(now)
        sort = request.args.get("sort", "place")
        if sort not in SORT_COLUMNS:
            sort = "place"
        is_descending = request.args.get("order") == "desc"
        rasps = filter_rasps(now.rasps, wanted)
        return render_page(
            "manage.html",
            now=now,
            State=RaspStatus,
            wanted=wanted,
            sorts=SORT_COLUMNS,
            sort=sort,
            is_descending=is_descending,
            groups=_group_by_stack(now, rasps, sort, is_descending=is_descending),
            found=len(rasps),
            is_filtered=len(rasps) < len(now.rasps),
        )

    return pages


def _requested_filters(now: RackState) -> RaspsQuery:
    """Return the filters; what makes no sense filters nothing, for a page has no 422 to show."""
    stack, state = request.args.get("stack", ""), request.args.get("state", "")
    number = int(stack) if stack.isascii() and stack.isdecimal() and len(stack) < 9 else 0  # noqa: PLR2004
    return RaspsQuery(
        stack=number if 1 <= number <= len(now.stacks) else None,
        state=RaspStatus(state) if state in set(RaspStatus) else None,
        q=request.args.get("q", "")[:_MAX_QUERY_CHARS] or None,
    )


def _group_by_stack(
    now: RackState, rasps: list[RaspState], sort: str, *, is_descending: bool
) -> list[tuple[Any, list[RaspState]]]:
    """Return the table's groups: the stacks where it is sorted by place, else one of all."""
    if sort != "place":
        return [(None, sort_rasps(rasps, SORT_COLUMNS[sort][1], is_descending=is_descending))]
    stacks = reversed(now.stacks) if is_descending else now.stacks
    by_stack: dict[int, list[RaspState]] = {}
    for rasp in rasps:
        by_stack.setdefault(rasp.slot.stack, []).append(rasp)
    return [
        (stack, by_stack[stack.stack.number]) for stack in stacks if stack.stack.number in by_stack
    ]


def sort_rasps(
    rasps: Iterable[RaspState], key: Callable[[RaspState], Any], *, is_descending: bool
) -> list[RaspState]:
    """Return rasps in the order of a reading; those of whom it is not known come last."""
    known = [rasp for rasp in rasps if key(rasp) is not None]
    unknown = [rasp for rasp in rasps if key(rasp) is None]
    return sorted(known, key=key, reverse=is_descending) + unknown
