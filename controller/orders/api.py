"""The API's routes for orders."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for

from controller.access import Access, actor, needs, origin
from controller.api import JSON, as_json
from controller.models import Model
from controller.openapi import PREFIX, Document
from controller.orders.actions import Action
from controller.orders.book import Search
from controller.orders.order import Wanted
from controller.orders.orders import Orders
from controller.orders.schemas import (
    AliasAnswer,
    DoneAnswer,
    ExecuteOnRack,
    ExecuteOnRasps,
    ExecuteOnStacks,
    OptionAnswer,
    OrderAnswer,
    OrdersQuery,
    PreviewAnswer,
)
from controller.roles import Role

_ORDERED = {HTTPStatus.OK: DoneAnswer, HTTPStatus.ACCEPTED: OrderAnswer}
_AN_ORDER = {"number": "The order's id."}


def blueprint(document: Document, orders: Orders, access: Access) -> Blueprint:
    """Return the routes, declared in `document`."""
    api = Blueprint("orders", __name__, url_prefix=PREFIX)

    @api.get("/rasps/options")
    @document.operation("rasps", list[OptionAnswer])
    def list_rasp_options() -> Response:
        """List what can be done to rasps."""
        return as_json([_option(orders, each) for each in orders.actions.of_rasps])

    @api.get("/stacks/options")
    @document.operation("stacks", list[OptionAnswer])
    def list_stack_options() -> Response:
        """List what can be done to stacks, and to the rack."""
        return as_json([_option(orders, each) for each in orders.actions.of_stacks])

    @api.post("/rasps/execute")
    @needs(Role.OPERATOR)
    @document.change("rasps", _ORDERED, sends=ExecuteOnRasps)
    def execute_on_rasps(order: ExecuteOnRasps) -> Response:
        """Order an action on rasps.

        A quick one (`ping`, `read`) answers 200 with each result, any other 202.
        """
        return _execute(orders, order.wanted, is_dry=order.dry_run)

    @api.post("/stacks/execute")
    @needs(Role.OPERATOR)
    @document.change("stacks", _ORDERED, sends=ExecuteOnStacks)
    def execute_on_stacks(order: ExecuteOnStacks) -> Response:
        """Order an action on stacks: their power, or an action on all of their rasps."""
        return _execute(orders, order.wanted, is_dry=order.dry_run)

    @api.post("/rack/execute")
    @needs(Role.OPERATOR)
    @document.change("rack", _ORDERED, sends=ExecuteOnRack)
    def execute_on_rack(order: ExecuteOnRack) -> Response:
        """Order an action on the whole rack."""
        return _execute(orders, order.wanted, is_dry=order.dry_run)

    @api.get("/orders")
    @document.operation("orders", list[OrderAnswer], takes=OrdersQuery)
    def list_orders(wanted: OrdersQuery) -> Response:
        """List the newest orders, the newest first."""
        search = Search(wanted.before, wanted.state, wanted.action, wanted.target, wanted.q)
        return as_json([OrderAnswer.of(each) for each in orders.newest(wanted.limit, search)])

    @api.get("/orders/<int:number>")
    @document.operation("orders", OrderAnswer, finds=_AN_ORDER)
    def get_order(number: int) -> Response:
        """Tell how far an order is, and what came of it."""
        return as_json(OrderAnswer.of(orders.get(number)))

    @api.delete("/orders/<int:number>")
    @needs(Role.OPERATOR)
    @document.change("orders", {HTTPStatus.ACCEPTED: OrderAnswer}, finds=_AN_ORDER)
    def cancel_order(number: int) -> Response:
        """Cancel an order: nothing more of it is begun, and what was begun goes to its end."""
        order = orders.cancel(number)
        access.record("cancel", order.title, "ok")
        return _accepted(OrderAnswer.of(order))

    return api


def _option(orders: Orders, action: Action) -> OptionAnswer:
    return OptionAnswer.of(action, [AliasAnswer.of(each) for each in orders.actions.aliases])


def _execute(orders: Orders, wanted: Wanted, *, is_dry: bool) -> Response:
    if is_dry:
        return _sent(PreviewAnswer.of(wanted.action, orders.preview(wanted)), HTTPStatus.OK)
    order = orders.place(wanted, actor().name, origin())
    if orders.actions.choose(wanted).is_quick and order.state.is_over:
        return _sent(OrderAnswer.of(order), HTTPStatus.OK)
    return _accepted(OrderAnswer.of(order))


def _accepted(order: OrderAnswer) -> Response:
    response = _sent(order, HTTPStatus.ACCEPTED)
    response.headers["Location"] = url_for("orders.get_order", number=order.id)
    return response


def _sent(answer: Model, status: HTTPStatus) -> Response:
    return Response(answer.model_dump_json(), status, content_type=JSON)
