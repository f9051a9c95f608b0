"""One stack: its power, its rasps, and how they have been."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.conditional import page
from controller.orders.book import Search
from controller.orders.orders import Orders
from controller.pages.history import LATEST_ORDERS, charts, wanted_span
from controller.prometheus import PrometheusUnavailable
from controller.records import SPANS, Records
from controller.state import RackState


def blueprint(state: Callable[[], RackState], records: Records, orders: Orders) -> Blueprint:
    """Return `/stacks/N`; `state` and `records` are asked at each request."""
    pages = Blueprint("stack", __name__)

    @pages.get("/stacks/<int:number>")
    def show(number: int) -> Response:
        now = state()
        stack = now.rack.stack(number)
        span = wanted_span()
        history, trouble = None, now.trouble
        if not trouble:
            try:
                past = records.history(stack, stack.slots, span)
                history = charts(past, {slot.number: slot.name for slot in stack.slots})
            except PrometheusUnavailable as error:
                trouble = str(error)
        return page(
            "stack.html",
            now=now,
            stack=now.stacks[stack.number - 1],
            orders=orders.newest(LATEST_ORDERS, Search(target=stack.name)),
            history=history,
            trouble=trouble,
            spans=SPANS,
            span=span,
        )

    return pages
