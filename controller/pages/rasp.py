"""One rasp: who it is, how it is now, how it has been, and what its aliases say."""

from collections.abc import Callable

from flask import Blueprint, Response, redirect, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from controller.orders.model import Order
from controller.orders.service import OrderService
from controller.orders.store import OrderFilter
from controller.pages.history import MAX_LATEST_ORDERS, build_charts, requested_range
from controller.state.history import TIME_RANGES, AliasReadings, RaspHistory
from controller.state.model import RackState
from controller.state.prometheus import PrometheusUnavailableError
from controller.web.responses import render_page
from rack.layout import Slot


def blueprint(
    state: Callable[[], RackState], records: RaspHistory, orders: OrderService
) -> Blueprint:
    """Return `/rasps/ID`; `state` and `records` are asked at each request."""
    pages = Blueprint("rasp", __name__)

    @pages.get("/rasps/<int:number>")
    def show(number: int) -> Response:
        now = state()
        slot = now.rack.slot(number)
        span = requested_range()
        aliases, history, trouble = AliasReadings(None, ()), None, now.error
        if not trouble:
            try:
                aliases = records.aliases(slot)
                past = records.query_range(now.rack.stack(slot.stack), [slot], span)
                history = build_charts(past, {slot.number: slot.name})
            except PrometheusUnavailableError as error:
                trouble = str(error)
        return render_page(
            "rasp.html",
            now=now,
            rasp=now.rasps[slot.id - 1],
            stack=now.stacks[slot.stack - 1],
            aliases=aliases,
            orders=latest_orders(orders, slot),
            history=history,
            trouble=trouble,
            spans=TIME_RANGES,
            span=span,
        )

    @pages.get("/rasps/<name>")
    def by_name(name: str) -> BaseResponse:
        """Lead those who know a rasp by its name alone, as dashboards do."""
        for slot in state().rack.slots:
            if slot.name == name:
                return redirect(url_for("rasp.show", number=slot.id))
        raise NotFound(f"no rasp {name[:20]!r}: names are such as 03-2")

    return pages


def latest_orders(orders: OrderService, slot: Slot) -> list[Order]:
    """Return the newest orders for a rasp, and for its stack's power, the newest first."""
    targets = (slot.name, f"{slot.stack:02}")
    found = {
        order.id: order
        for target in targets
        for order in orders.list_recent(MAX_LATEST_ORDERS, OrderFilter(target=target))
    }
    return [found[number] for number in sorted(found, reverse=True)[:MAX_LATEST_ORDERS]]
