"""API routes of orders."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for

from controller import API_PREFIX
from controller.auth.access_control import (
    AccessControl,
    client_address,
    current_actor,
    requires_role,
)
from controller.auth.roles import Role
from controller.orders.actions import Action
from controller.orders.model import OrderRequest
from controller.orders.power_group import has_rasp_outlets
from controller.orders.schemas import (
    ActionResponse,
    AliasResponse,
    ExecuteOnRack,
    ExecuteOnRasps,
    ExecuteOnStacks,
    OrderResponse,
    OrdersQuery,
    OrderSummaryResponse,
    PreviewResponse,
    SubmitResponse,
)
from controller.orders.service import OrderService
from controller.orders.store import OrderFilter
from controller.web.api import json_response, write_response
from controller.web.openapi import OpenApiDocument
from controller.web.paging import page_response

_SUBMIT_RESPONSES = {HTTPStatus.OK: SubmitResponse, HTTPStatus.ACCEPTED: OrderResponse}
_ORDER_PATH_PARAMS = {"number": "Id of the order."}


def blueprint(document: OpenApiDocument, orders: OrderService, access: AccessControl) -> Blueprint:
    """Return the routes, and declare them in the OpenAPI document."""
    api = Blueprint("orders", __name__, url_prefix=API_PREFIX)

    @api.get("/rasps/options")
    @document.read_endpoint("rasps", list[ActionResponse])
    def list_rasp_options() -> Response:
        """List the actions for rasps.

        Power actions are listed if some rasps have an outlet of their own.
        """
        actions = orders.actions
        available = actions.for_stacks if has_rasp_outlets(orders.rack) else actions.for_rasps
        return json_response([_action_response(orders, action) for action in available])

    @api.get("/stacks/options")
    @document.read_endpoint("stacks", list[ActionResponse])
    def list_stack_options() -> Response:
        """List the actions for stacks and for the rack."""
        return json_response(
            [_action_response(orders, action) for action in orders.actions.for_stacks]
        )

    @api.post("/rasps/execute")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("rasps", _SUBMIT_RESPONSES, body_model=ExecuteOnRasps)
    def execute_on_rasps(body: ExecuteOnRasps) -> Response:
        """Submit an order for rasps.

        Synchronous actions (`ping`, `read`) return 200 with all results. Other actions
        return 202. Power actions require rasps with an outlet of their own.
        """
        return _execute(orders, body.request_for(orders.rack), dry_run=body.dry_run)

    @api.post("/stacks/execute")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("stacks", _SUBMIT_RESPONSES, body_model=ExecuteOnStacks)
    def execute_on_stacks(body: ExecuteOnStacks) -> Response:
        """Submit an order for stacks.

        The order switches the power of the stacks, or runs an action on all their rasps.
        """
        return _execute(orders, body.request_for(orders.rack), dry_run=body.dry_run)

    @api.post("/rack/execute")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("rack", _SUBMIT_RESPONSES, body_model=ExecuteOnRack)
    def execute_on_rack(body: ExecuteOnRack) -> Response:
        """Submit an order for the whole rack."""
        return _execute(orders, body.request, dry_run=body.dry_run)

    @api.get("/orders")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        "orders",
        list[OrderSummaryResponse],
        query_model=OrdersQuery,
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def list_orders(query: OrdersQuery) -> Response:
        """List orders without the results of their targets, newest first.

        If there are more orders, `Link` is the URL of the next page.
        """
        order_filter = OrderFilter(query.before, query.state, query.action, query.target, query.q)
        recent = orders.list_recent(query.limit + 1, order_filter)
        return page_response(map(OrderSummaryResponse.of_summary, recent), query.limit)

    @api.get("/orders/<int:number>")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        "orders",
        OrderResponse,
        path_params=_ORDER_PATH_PARAMS,
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def get_order(number: int) -> Response:
        """Return the progress and the results of an order."""
        return json_response(OrderResponse.of(orders.get(number)))

    @api.delete("/orders/<int:number>")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        "orders", {HTTPStatus.ACCEPTED: OrderResponse}, path_params=_ORDER_PATH_PARAMS
    )
    def cancel_order(number: int) -> Response:
        """Cancel an order. No new steps are started, and running steps are completed."""
        order = orders.cancel(number)
        access.record("cancel", order.title, "ok")
        return _accepted_response(OrderResponse.of(order))

    return api


def _action_response(orders: OrderService, action: Action) -> ActionResponse:
    return ActionResponse.of(action, [AliasResponse.of(alias) for alias in orders.actions.aliases])


def _execute(orders: OrderService, request: OrderRequest, *, dry_run: bool) -> Response:
    plan = orders.plan(request)
    if dry_run:
        body = PreviewResponse.of(request.action, orders.preview(plan))
        return write_response(body)
    order = orders.submit_plan(plan, current_actor().name, client_address())
    if plan.action.is_synchronous and order.state.is_over:
        return write_response(OrderResponse.of(order))
    return _accepted_response(OrderResponse.of(order))


def _accepted_response(order: OrderResponse) -> Response:
    response = write_response(order, HTTPStatus.ACCEPTED)
    response.headers["Location"] = url_for("orders.get_order", number=order.id)
    return response
