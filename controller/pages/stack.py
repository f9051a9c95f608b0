"""One stack: its power, its rasps, and how they have been."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.orders.service import OrderService
from controller.orders.store import OrderFilter
from controller.pages.history import MAX_LATEST_ORDERS, build_charts, requested_range
from controller.state.history import TIME_RANGES, RaspHistory
from controller.state.model import RackState
from controller.state.prometheus import PrometheusUnavailableError
from controller.web.responses import render_page


def blueprint(
    state: Callable[[], RackState], records: RaspHistory, orders: OrderService
) -> Blueprint:
    """Return `/stacks/N`; `state` and `records` are asked at each request."""
    pages = Blueprint("stack", __name__)

    @pages.get("/stacks/<int:number>")
    def show(number: int) -> Response:
        now = state()
        stack = now.rack.stack(number)
        span = requested_range()
        history, trouble = None, now.error
        if not trouble:
            try:
                past = records.query_range(stack, stack.slots, span)
                history = build_charts(past, {slot.number: slot.name for slot in stack.slots})
            except PrometheusUnavailableError as error:
                trouble = str(error)
        return render_page(
            "stack.html",
            now=now,
            stack=now.stacks[stack.number - 1],
            orders=orders.list_recent(MAX_LATEST_ORDERS, OrderFilter(target=stack.name)),
            history=history,
            trouble=trouble,
            spans=TIME_RANGES,
            span=span,
        )

    return pages
