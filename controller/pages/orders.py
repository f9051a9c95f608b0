"""Submit, confirm, list, show and cancel orders; list audit events."""

from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.datastructures import MultiDict
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
from controller.orders.model import Order, OrderRequest, OrderState, Result, Scope
from controller.orders.service import OrderService
from controller.orders.store import OrderFilter
from controller.pages.paging import PAGE_SIZE, requested_before
from controller.state.model import RackState
from controller.web.responses import render_page
from rack.layout import Rack
from rack.targets import resolve_slot, resolve_stack, search_text

_MAX_QUERY_CHARS = 100

FormFields = Mapping[str, list[str]]


def blueprint(
    read_state: Callable[[], RackState], orders: OrderService, access: AccessControl
) -> Blueprint:
    """Return the views of `/orders`."""
    pages = Blueprint("order_pages", __name__, url_prefix="/orders")

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
            action=_find_action(orders, order),
            failed=[result for result in order.results if result.result is Result.FAILED],
            unknown=[result for result in order.results if result.result is Result.UNKNOWN],
            retry_fields=_retry_fields(orders, order),
        )

    @pages.get("/new")
    @requires_role(Role.OPERATOR)
    def confirm() -> Response:
        order_request = request_from_form(request.args, orders, read_state())
        plan = orders.plan(order_request)
        return render_page(
            "order_new.html",
            order_request=order_request,
            action=plan.action,
            preview=orders.preview(plan),
            fields=form_fields(order_request),
        )

    @pages.post("")
    @requires_role(Role.OPERATOR)
    def submit() -> BaseResponse:
        order_request = request_from_form(request.form, orders, read_state())
        plan = orders.plan(order_request)
        if plan.action.is_disruptive and request.form.get("confirmed") != "yes":
            query = urlencode(form_fields(order_request), doseq=True)
            return redirect(f"{url_for('order_pages.confirm')}?{query}", 303)
        order = orders.submit_plan(plan, current_actor().name, client_address())
        return redirect(url_for("order_pages.show", order_id=order.id), 303)

    @pages.post("/<int:order_id>/cancel")
    @requires_role(Role.OPERATOR)
    def cancel(order_id: int) -> BaseResponse:
        order = orders.cancel(order_id)
        access.record("cancel", order.title, "ok")
        return redirect(url_for("order_pages.show", order_id=order_id), 303)

    return pages


def request_from_form(
    form: MultiDict[str, str], orders: OrderService, rack_state: RackState
) -> OrderRequest:
    """Return the order request of a form.

    The fields are `action` (a name or `read:ALIAS`), `force`, and either `rack` or any number of
    `rasp` and `stack`. Power actions apply to the selected stacks, or to the selected rasps if they
    have outlets of their own. Other actions apply to the selected rasps and to all rasps of the
    selected stacks.

    Raises:
        UnprocessableEntity: If nothing is selected, or if the power of the selected rasps cannot be
            switched without that of others.
        UnknownTargetError: If a rasp or stack does not exist.
    """
    action, _, alias = form.get("action", "").partition(":")
    is_forced = form.get("force") == "yes"

    def request_for(scope: Scope, ids: tuple[int, ...]) -> OrderRequest:
        return OrderRequest(action, scope, ids, alias or None, is_forced)

    if form.get("rack"):
        return request_for("rack", ())
    rack = rack_state.rack
    rasps = {resolve_slot(rack, text).id for text in form.getlist("rasp")}
    stacks = tuple(sorted({resolve_stack(rack, text).number for text in form.getlist("stack")}))
    if not rasps and not stacks:
        raise UnprocessableEntity("nothing is selected: select rasps or stacks")
    if action in {each.name for each in orders.actions.for_stacks if each.is_power}:
        rasps = _rasps_to_switch(rack, rasps, stacks)
    if not rasps:
        return request_for("stacks", stacks)
    rasps_of_stacks = {slot.id for number in stacks for slot in rack.stack(number).slots}
    return request_for("rasps", tuple(sorted(rasps_of_stacks.union(rasps))))


def _rasps_to_switch(rack: Rack, rasps: Collection[int], stacks: Collection[int]) -> set[int]:
    """Return the rasps of a power action, or an empty set if it applies to the stacks.

    Rasps that share an outlet are ignored if stacks are selected, as are the rasps of these stacks.

    Raises:
        UnprocessableEntity: If no selected rasp has an outlet of its own and no stack is selected,
            or if the rasps and a stack with a shared outlet would be switched by different orders.
    """
    others = {rasp for rasp in rasps if rack.slot(rasp).stack not in stacks}
    own = {rasp for rasp in others if rack.stack(rack.slot(rasp).stack).has_outlet_per_slot}
    if not own:
        if not stacks:
            raise UnprocessableEntity("power actions apply to whole stacks: select stacks")
        return set()
    if not all(rack.stack(number).has_outlet_per_slot for number in stacks):
        raise UnprocessableEntity(
            "stacks with a shared outlet and single rasps are switched by different orders: select"
            " either stacks or rasps"
        )
    return others


def form_fields(order_request: OrderRequest) -> dict[str, list[str]]:
    """Return the form fields of an order request without `force`, which requires confirmation."""
    action = order_request.action + (f":{order_request.alias}" if order_request.alias else "")
    if order_request.scope == "rack":
        return {"action": [action], "rack": ["yes"]}
    return {
        "action": [action],
        order_request.scope.removesuffix("s"): [str(target_id) for target_id in order_request.ids],
    }


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
