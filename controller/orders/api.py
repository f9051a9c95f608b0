"""The API's routes for orders."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for

from controller.auth.access_control import (
    AccessControl,
    client_address,
    current_actor,
    requires_role,
)
from controller.auth.roles import Role
from controller.orders.actions import Action
from controller.orders.model import OrderRequest
from controller.orders.schemas import (
    ActionResponse,
    AliasResponse,
    ExecuteOnRack,
    ExecuteOnRasps,
    ExecuteOnStacks,
    OrderResponse,
    OrdersQuery,
    PreviewResponse,
    SubmitResponse,
)
from controller.orders.service import OrderService
from controller.orders.store import OrderFilter
from controller.web.api import JSON_TYPE, json_response
from controller.web.models import ApiModel
from controller.web.openapi import API_PREFIX, OpenApiDocument

_SUBMIT_RESPONSES = {HTTPStatus.OK: SubmitResponse, HTTPStatus.ACCEPTED: OrderResponse}
_ORDER_PATH_PARAMS = {"number": "The order's id."}


def blueprint(document: OpenApiDocument, orders: OrderService, access: AccessControl) -> Blueprint:
    """Return the routes, declared in `document`."""
    api = Blueprint("orders", __name__, url_prefix=API_PREFIX)

    @api.get("/rasps/options")
    @document.read_endpoint("rasps", list[ActionResponse])
    def list_rasp_options() -> Response:
        """List what can be done to rasps."""
        return json_response([_action_response(orders, each) for each in orders.actions.for_rasps])

    @api.get("/stacks/options")
    @document.read_endpoint("stacks", list[ActionResponse])
    def list_stack_options() -> Response:
        """List what can be done to stacks, and to the rack."""
        return json_response([_action_response(orders, each) for each in orders.actions.for_stacks])

    @api.post("/rasps/execute")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("rasps", _SUBMIT_RESPONSES, body_model=ExecuteOnRasps)
    def execute_on_rasps(order: ExecuteOnRasps) -> Response:
        """Order an action on rasps.

        A quick one (`ping`, `read`) answers 200 with each result, any other 202.
        """
        return _execute(orders, order.request, dry_run=order.dry_run)

    @api.post("/stacks/execute")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("stacks", _SUBMIT_RESPONSES, body_model=ExecuteOnStacks)
    def execute_on_stacks(order: ExecuteOnStacks) -> Response:
        """Order an action on stacks: their power, or an action on all of their rasps."""
        return _execute(orders, order.request, dry_run=order.dry_run)

    @api.post("/rack/execute")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("rack", _SUBMIT_RESPONSES, body_model=ExecuteOnRack)
    def execute_on_rack(order: ExecuteOnRack) -> Response:
        """Order an action on the whole rack."""
        return _execute(orders, order.request, dry_run=order.dry_run)

    @api.get("/orders")
    @document.read_endpoint("orders", list[OrderResponse], query_model=OrdersQuery)
    def list_orders(wanted: OrdersQuery) -> Response:
        """List the newest orders, the newest first."""
        search = OrderFilter(wanted.before, wanted.state, wanted.action, wanted.target, wanted.q)
        return json_response(
            [OrderResponse.of(each) for each in orders.list_recent(wanted.limit, search)]
        )

    @api.get("/orders/<int:number>")
    @document.read_endpoint("orders", OrderResponse, path_params=_ORDER_PATH_PARAMS)
    def get_order(number: int) -> Response:
        """Tell how far an order is, and what came of it."""
        return json_response(OrderResponse.of(orders.get(number)))

    @api.delete("/orders/<int:number>")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        "orders", {HTTPStatus.ACCEPTED: OrderResponse}, path_params=_ORDER_PATH_PARAMS
    )
    def cancel_order(number: int) -> Response:
        """Cancel an order: nothing more of it is begun, and what was begun goes to its end."""
        order = orders.cancel(number)
        access.record("cancel", order.title, "ok")
        return _accepted_response(OrderResponse.of(order))

    return api


def _action_response(orders: OrderService, action: Action) -> ActionResponse:
    return ActionResponse.of(action, [AliasResponse.of(each) for each in orders.actions.aliases])


def _execute(orders: OrderService, request: OrderRequest, *, dry_run: bool) -> Response:
    if dry_run:
        return _json_response(
            PreviewResponse.of(request.action, orders.preview(request)), HTTPStatus.OK
        )
    order = orders.submit(request, current_actor().name, client_address())
    if orders.actions.resolve(request).is_synchronous and order.state.is_over:
        return _json_response(OrderResponse.of(order), HTTPStatus.OK)
    return _accepted_response(OrderResponse.of(order))


def _accepted_response(order: OrderResponse) -> Response:
    response = _json_response(order, HTTPStatus.ACCEPTED)
    response.headers["Location"] = url_for("orders.get_order", number=order.id)
    return response


def _json_response(body: ApiModel, status: HTTPStatus) -> Response:
    return Response(body.model_dump_json(), status, content_type=JSON_TYPE)
