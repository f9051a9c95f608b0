"""One rasp: identity, state, orders, history and aliases."""

from collections.abc import Callable
from contextlib import suppress

from flask import Blueprint, Response, redirect, url_for
from werkzeug.wrappers import Response as BaseResponse

from controller.orders.model import OrderSummary
from controller.orders.service import OrderService
from controller.orders.store import OrderFilter
from controller.pages.history import MAX_LATEST_ORDERS, build_charts, requested_range
from controller.state.history import TIME_RANGES, AliasReadings, RaspHistory
from controller.state.model import RackState
from controller.state.prometheus import PrometheusUnavailableError
from controller.web.responses import render_page
from rack.layout import Slot
from rack.targets import resolve_slot


def blueprint(
    read_state: Callable[[], RackState], history: RaspHistory, orders: OrderService
) -> Blueprint:
    """Return the views of `/rasps/ID` and `/rasps/NAME`."""
    pages = Blueprint("rasp", __name__)

    @pages.get("/rasps/<int:rasp_id>")
    def show(rasp_id: int) -> Response:
        rack_state = read_state()
        slot = rack_state.rack.slot(rasp_id)
        time_range = requested_range()
        aliases, charts, error = AliasReadings(None, ()), None, rack_state.error
        if not error:
            try:
                aliases = history.aliases(slot)
                data = history.query_range(rack_state.rack.stack(slot.stack), [slot], time_range)
                charts = build_charts(data, {slot.number: slot.name})
            except PrometheusUnavailableError as unavailable:
                error = str(unavailable)
        return render_page(
            "rasp.html",
            rack_state=rack_state,
            rasp=rack_state.rasps[slot.id - 1],
            stack=rack_state.stacks[slot.stack - 1],
            aliases=aliases,
            orders=latest_orders(orders, slot),
            charts=charts,
            error=error,
            time_ranges=TIME_RANGES,
            time_range=time_range,
        )

    @pages.get("/rasps/<int:rasp_id>/card")
    def card(rasp_id: int) -> Response:
        """Return the details that the rack page shows next to the tile of a rasp."""
        rack_state = read_state()
        slot = rack_state.rack.slot(rasp_id)
        rasp = rack_state.rasps[slot.id - 1]
        since = None
        if not rack_state.error:
            with suppress(PrometheusUnavailableError):
                since = history.state_since(rasp)
        return render_page(
            "rasp_card.html",
            rasp=rasp,
            stack=rack_state.stacks[slot.stack - 1],
            since=since,
            last_order=next(iter(latest_orders(orders, slot)), None),
        )

    @pages.get("/rasps/<rasp:name>")
    def redirect_from_name(name: str) -> BaseResponse:
        """Redirect to the page of the rasp with this name. Dashboards link to names."""
        return redirect(url_for("rasp.show", rasp_id=resolve_slot(read_state().rack, name).id))

    return pages


def latest_orders(orders: OrderService, slot: Slot) -> list[OrderSummary]:
    """Return the newest orders for a rasp and for the power of its stack, newest first."""
    by_id = {
        order.id: order
        for target in (slot.name, slot.stack_name)
        for order in orders.list_recent(MAX_LATEST_ORDERS, OrderFilter(target=target))
    }
    return [by_id[order_id] for order_id in sorted(by_id, reverse=True)[:MAX_LATEST_ORDERS]]
