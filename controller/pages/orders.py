"""Submit, confirm, list, show and cancel orders; list audit events."""

from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.auth.access_control import (
    AccessControl,
    client_address,
    current_actor,
    requires_role,
)
from controller.auth.roles import Role
from controller.orders.actions import Action
from controller.orders.model import Order, OrderState, Result
from controller.orders.service import OrderService
from controller.orders.store import OrderFilter
from controller.pages.order_form import form_fields, request_from_form
from controller.pages.order_results import group_results, order_text, target_name
from controller.pages.paging import PAGE_SIZE, requested_before
from controller.pages.selection import url_of_refused
from controller.web.local_paths import referring_path
from controller.web.responses import conditional_response, render_page
from rack.targets import search_text

_MAX_QUERY_CHARS = 100
_TEXT_TYPE = "text/plain; charset=utf-8"


def blueprint(orders: OrderService, access: AccessControl) -> Blueprint:
    """Return the views of `/orders`."""
    pages = Blueprint("order_pages", __name__, url_prefix="/orders")
    pages.add_app_template_filter(target_name)

    @pages.get("")
    @requires_role(Role.OPERATOR)
    def index() -> Response:
        text = request.args.get("q", "")[:_MAX_QUERY_CHARS]
        before = requested_before()
        if request.args.get("view") == "audit" and _can_read_audit():
            searched = search_text(orders.rack, text)
            events = access.audit.list_recent(PAGE_SIZE, before=before, text=searched)
            return render_page("audit.html", events=events, q=text, page_size=PAGE_SIZE)
        state = request.args.get("state", "")
        recent = orders.list_recent(
            PAGE_SIZE,
            OrderFilter(
                before=before,
                state=OrderState(state) if state in set(OrderState) else None,
                text=text or None,
            ),
        )
        return render_page(
            "orders.html",
            orders=recent,
            q=text,
            selected_state=state,
            before=before,
            states=OrderState,
            page_size=PAGE_SIZE,
        )

    @pages.get("/<int:order_id>")
    @requires_role(Role.OPERATOR)
    def show(order_id: int) -> Response:
        order = orders.get(order_id)
        return render_page(
            "order.html",
            order=order,
            groups=group_results(order.results),
            action=_find_action(orders, order),
            failed=[result for result in order.results if result.result is Result.FAILED],
            unknown=[result for result in order.results if result.result is Result.UNKNOWN],
            retry_fields=_retry_fields(orders, order),
        )

    @pages.get("/<int:order_id>.txt")
    @requires_role(Role.OPERATOR)
    def show_text(order_id: int) -> Response:
        return conditional_response(order_text(orders.get(order_id)), _TEXT_TYPE)

    @pages.post("/<int:order_id>/cancel")
    @requires_role(Role.OPERATOR)
    def cancel(order_id: int) -> BaseResponse:
        order = orders.cancel(order_id)
        access.record("cancel", order.title, "ok")
        return redirect(url_for("order_pages.show", order_id=order_id), 303)

    _add_submission_views(pages, orders)
    return pages


def _add_submission_views(pages: Blueprint, orders: OrderService) -> None:
    @pages.get("/new")
    @requires_role(Role.OPERATOR)
    def confirm() -> Response:
        order_request = request_from_form(request.args, orders.actions, orders.rack)
        plan = orders.plan(order_request)
        return render_page(
            "order_new.html",
            order_request=order_request,
            action=plan.action,
            preview=orders.preview(plan),
            fields=form_fields(order_request),
            back=referring_path(),
        )

    @pages.post("")
    @requires_role(Role.OPERATOR)
    def submit() -> BaseResponse:
        try:
            order_request = request_from_form(request.form, orders.actions, orders.rack)
        except UnprocessableEntity:
            if url := url_of_refused(request.form):
                return redirect(url, 303)
            raise
        plan = orders.plan(order_request)
        if plan.action.is_disruptive and request.form.get("confirmed") != "yes":
            query = urlencode(form_fields(order_request), doseq=True)
            return redirect(f"{url_for('order_pages.confirm')}?{query}", 303)
        order = orders.submit_plan(plan, current_actor().name, client_address())
        return redirect(url_for("order_pages.show", order_id=order.id), 303)


def _retry_fields(orders: OrderService, order: Order) -> dict[str, list[str]]:
    """Return the form fields that repeat an order on its failed targets, or an empty mapping."""
    if not order.state.is_over or _find_action(orders, order) is None:
        return {}
    is_power_of_stacks = (
        order.request.action.startswith("power_") and order.request.scope != "rasps"
    )
    kind = "stack" if is_power_of_stacks else "rasp"
    failed = [
        str(result.id)
        for result in order.results
        if result.kind == kind and result.result is Result.FAILED
    ]
    return {"action": form_fields(order.request)["action"], kind: failed} if failed else {}


def _find_action(orders: OrderService, order: Order) -> Action | None:
    """Return the action of an order, or None if aliases.ini no longer contains the action."""
    actions = {action.name: action for action in orders.actions.for_stacks}
    return actions.get(order.request.action)


def _can_read_audit() -> bool:
    role = current_actor().role
    return role is not None and role.includes(Role.OPERATOR)
