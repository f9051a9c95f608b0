"""One stack: power, rasps, orders and history."""

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
    read_state: Callable[[], RackState], history: RaspHistory, orders: OrderService
) -> Blueprint:
    """Return the view of `/stacks/NUMBER`."""
    pages = Blueprint("stack", __name__)

    @pages.get("/stacks/<int:number>")
    def show(number: int) -> Response:
        rack_state = read_state()
        stack = rack_state.rack.stack(number)
        time_range = requested_range()
        charts, error = None, rack_state.error
        if not error:
            try:
                data = history.query_range(stack, stack.slots, time_range)
                names = {slot.number: slot.name for slot in stack.slots}
                charts = build_charts(data, names, f"stack {stack.name}")
            except PrometheusUnavailableError as unavailable:
                error = str(unavailable)
        return render_page(
            "stack.html",
            rack_state=rack_state,
            stack=rack_state.stacks[stack.number - 1],
            orders=orders.list_recent(MAX_LATEST_ORDERS, OrderFilter(target=stack.name)),
            charts=charts,
            error=error,
            time_ranges=TIME_RANGES,
            time_range=time_range,
        )

    return pages
