"""One rasp: who it is, how it is now, how it has been, and what its aliases say."""

from collections.abc import Callable

from flask import Blueprint, Response, redirect, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from controller.conditional import page
from controller.orders.book import Search
from controller.orders.order import Order
from controller.orders.orders import Orders
from controller.pages.history import LATEST_ORDERS, charts, wanted_span
from controller.prometheus import PrometheusUnavailable
from controller.records import SPANS, AliasReadings, Records
from controller.state import RackState
from rack.layout import Slot


def blueprint(state: Callable[[], RackState], records: Records, orders: Orders) -> Blueprint:
    """Return `/rasps/ID`; `state` and `records` are asked at each request."""
    pages = Blueprint("rasp", __name__)

    @pages.get("/rasps/<int:number>")
    def show(number: int) -> Response:
        now = state()
        slot = now.rack.slot(number)
        span = wanted_span()
        aliases, history, trouble = AliasReadings(None, ()), None, now.trouble
        if not trouble:
            try:
                aliases = records.aliases(slot)
                past = records.history(now.rack.stack(slot.stack), [slot], span)
                history = charts(past, {slot.number: slot.name})
            except PrometheusUnavailable as error:
                trouble = str(error)
        return page(
            "rasp.html",
            now=now,
            rasp=now.rasps[slot.id - 1],
            stack=now.stacks[slot.stack - 1],
            aliases=aliases,
            orders=latest_orders(orders, slot),
            history=history,
            trouble=trouble,
            spans=SPANS,
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


def latest_orders(orders: Orders, slot: Slot) -> list[Order]:
    """Return the newest orders for a rasp, and for its stack's power, the newest first."""
    targets = (slot.name, f"{slot.stack:02}")
    found = {
        order.id: order
        for target in targets
        for order in orders.newest(LATEST_ORDERS, Search(target=target))
    }
    return [found[number] for number in sorted(found, reverse=True)[:LATEST_ORDERS]]
