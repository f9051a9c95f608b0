"""Table of all rasps with search, filters, sorting and downloads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from controller.state.model import RackState, RaspState, RaspStatus, StackState
from controller.state.search import filter_rasps
from controller.web.csv_response import csv_response
from controller.web.rasp_schemas import RaspResponse
from controller.web.responses import render_page
from controller.web.schemas import RaspsQuery

_MAX_QUERY_CHARS = 100
_MAX_STACK_DIGITS = 8
_CSV_COLUMNS = [name for name in RaspResponse.model_fields if name != "outlet"]

SORT_COLUMNS: Mapping[str, tuple[str, Callable[[RaspState], Any]]] = {
    "rasp": ("Rasp", lambda rasp: rasp.slot.id),
    "state": ("State", lambda rasp: (list(RaspStatus).index(rasp.state), rasp.operation)),
    "up_for": ("Up for", lambda rasp: rasp.uptime_seconds),
    "down_since": ("Down since", lambda rasp: rasp.down_since),
    "ip": ("IP", lambda rasp: rasp.rasp.address if rasp.rasp else None),
    "mac": ("MAC", lambda rasp: rasp.rasp.mac if rasp.rasp else None),
    "temperature": ("Temp.", lambda rasp: rasp.temperature_celsius),
    "cpu": ("CPU", lambda rasp: rasp.cpu_busy_cores),
    "memory": ("Memory", lambda rasp: rasp.memory_used_ratio),
    "ping": ("Last ping", lambda rasp: rasp.pinged_at),
}
"""Heading and sort key of each column."""


@dataclass(frozen=True, slots=True)
class _TableQuery:
    """The filters and the order of the requested table."""

    filters: RaspsQuery
    sort: str
    is_descending: bool

    @classmethod
    def of_request(cls, rack_state: RackState) -> "_TableQuery":
        """Return the query of the current request. Invalid values are ignored."""
        sort = request.args.get("sort", "rasp")
        return cls(
            _requested_filters(rack_state),
            sort if sort in SORT_COLUMNS else "rasp",
            request.args.get("order") == "desc",
        )

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The query of an address of the same table, without default values."""
        order = "desc" if self.is_descending else None
        sort = self.sort if self.sort != "rasp" else None
        return self.filters.model_dump() | {"sort": sort, "order": order}

    def matches(self, rack_state: RackState) -> list[RaspState]:
        """Return the matching rasps in the requested order."""
        filters = self.filters
        rasps = filter_rasps(
            rack_state.rasps, stack=filters.stack, state=filters.state, text=filters.q
        )
        return sort_rasps(rasps, SORT_COLUMNS[self.sort][1], is_descending=self.is_descending)


def blueprint(read_state: Callable[[], RackState]) -> Blueprint:
    """Return the views of `/rasps` and `/rasps.csv`. The JSON download is that of the API."""
    pages = Blueprint("rasps", __name__)

    @pages.get("/rasps")
    def index() -> Response:
        rack_state = read_state()
        query = _TableQuery.of_request(rack_state)
        rasps = query.matches(rack_state)
        return render_page(
            "rasps.html",
            rack_state=rack_state,
            RaspStatus=RaspStatus,
            filters=query.filters,
            columns=SORT_COLUMNS,
            query=query,
            groups=_group_by_stack(rack_state, rasps) if query.sort == "rasp" else [(None, rasps)],
            match_count=len(rasps),
            is_filtered=len(rasps) < len(rack_state.rasps),
        )

    @pages.get("/rasps.csv")
    def download_csv() -> Response:
        rack_state = read_state()
        rasps = _TableQuery.of_request(rack_state).matches(rack_state)
        rows = [RaspResponse.of(rasp).model_dump(mode="json") for rasp in rasps]
        return csv_response(
            f"rasps-{rack_state.rack.name}",
            _CSV_COLUMNS,
            [[_cell(row[name]) for name in _CSV_COLUMNS] for row in rows],
        )

    @pages.get("/manage")
    def redirect_from_manage() -> BaseResponse:
        """Redirect from the address that this page had before."""
        query = request.query_string.decode("ascii", "replace")
        return redirect(url_for("rasps.index") + (f"?{query}" if query else ""), 308)

    return pages


def _cell(value: Any) -> Any:
    """Return a field of the API as a cell. The items of a list are separated by spaces."""
    return " ".join(value) if isinstance(value, list) else value


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
    rack_state: RackState, rasps: Iterable[RaspState]
) -> list[tuple[StackState, list[RaspState]]]:
    """Group rasps that are sorted by name by their stacks."""
    by_stack: dict[int, list[RaspState]] = {}
    for rasp in rasps:
        by_stack.setdefault(rasp.slot.stack, []).append(rasp)
    return [(rack_state.stacks[number - 1], group) for number, group in by_stack.items()]


def sort_rasps(
    rasps: Iterable[RaspState], key: Callable[[RaspState], Any], *, is_descending: bool
) -> list[RaspState]:
    """Return the rasps sorted by a key. Rasps without a value come last in both directions."""
    rasps = list(rasps)
    known = [rasp for rasp in rasps if key(rasp) is not None]
    unknown = [rasp for rasp in rasps if key(rasp) is None]
    return sorted(known, key=key, reverse=is_descending) + unknown
