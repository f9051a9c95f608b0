"""Orders: given by forms, confirmed where they take rasps down, followed while they run."""

from collections.abc import Callable, Mapping
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
from controller.state.model import RackState
from controller.web.responses import render_page

_PAGE_SIZE = 50
_MAX_QUERY_CHARS = 100
_MAX_ID = 2**62

FormFields = Mapping[str, list[str]]


def blueprint(
    state: Callable[[], RackState], orders: OrderService, access: AccessControl
) -> Blueprint:
    """Return `/orders` and what belongs to it; `state` is asked at each request."""
    pages = Blueprint("order", __name__, url_prefix="/orders")

    @pages.get("")
    def show() -> Response:
        text = request.args.get("q", "")[:_MAX_QUERY_CHARS]
        before = _parse_id(request.args.get("before", ""))
        is_audit = request.args.get("view") == "audit" and _can_read_audit()
        if is_audit:
            entries = access.audit.list_recent(_PAGE_SIZE, before=before, text=text)
            return render_page(
                "audit.html", entries=entries, q=text, before=before, page_of=_PAGE_SIZE
            )
        wanted = request.args.get("state", "")
        found = orders.list_recent(
            _PAGE_SIZE,
            OrderFilter(
                before=before,
                state=OrderState(wanted) if wanted in set(OrderState) else None,
                text=text or None,
            ),
        )
        return render_page(
            "orders.html",
            found=found,
            q=text,
            wanted=wanted,
            before=before,
            states=OrderState,
            page_of=_PAGE_SIZE,
        )

    @pages.get("/<int:number>")
    def one(number: int) -> Response:
        order = orders.get(number)
        failed = [each for each in order.results if each.result is Result.FAILED]
        unknown = [each for each in order.results if each.result is Result.UNKNOWN]
        return render_page(
            "order.html",
            order=order,
            action=_find_action(orders, order),
            failed=failed,
            unknown=unknown,
            again=_retry_fields(orders, order),
        )

    @pages.get("/new")
    @requires_role(Role.OPERATOR)
    def confirm() -> Response:
        wanted = request_from_form(request.args, orders, state())
        preview = orders.preview(wanted)
        return render_page(
            "order_new.html",
            wanted=wanted,
            action=orders.actions.resolve(wanted),
            preview=preview,
            fields=form_fields(wanted),
        )

    @pages.post("")
    @requires_role(Role.OPERATOR)
    def place() -> BaseResponse:
        wanted = request_from_form(request.form, orders, state())
        action = orders.actions.resolve(wanted)
        if action.is_disruptive and request.form.get("confirmed") != "yes":
            query = urlencode(form_fields(wanted), doseq=True)
            return redirect(f"{url_for('order.confirm')}?{query}", 303)
        order = orders.submit(wanted, current_actor().name, client_address())
        return redirect(url_for("order.one", number=order.id), 303)

    @pages.post("/<int:number>/cancel")
    @requires_role(Role.OPERATOR)
    def cancel(number: int) -> BaseResponse:
        order = orders.cancel(number)
        access.record("cancel", order.title, "ok")
        return redirect(url_for("order.one", number=number), 303)

    return pages


def request_from_form(
    form: MultiDict[str, str], orders: OrderService, now: RackState
) -> OrderRequest:
    """Return what a form wants done.

    Its fields: `do` (an action; `read:ALIAS`), `rack` or any number of `rasp` and `stack`, and
    `force`. The power of ticked stacks is switched; anything else is done to the ticked rasps, and
    to all rasps of the ticked stacks.

    Raises:
        UnprocessableEntity: nothing is ticked, or no stack where it takes one.
        UnknownPlace: there is no such rasp or stack.
    """
    action, _, alias = form.get("do", "").partition(":")
    is_forced = form.get("force") == "yes"

    def wanted(scope: Scope, ids: tuple[int, ...]) -> OrderRequest:
        return OrderRequest(action, scope, ids, alias or None, is_forced)

    if form.get("rack"):
        return wanted("rack", ())
    rasps, stacks = _parse_ids(form, "rasp"), _parse_ids(form, "stack")
    if not rasps and not stacks:
        raise UnprocessableEntity("nothing is ticked: tick rasps or stacks first")
    if action in {each.name for each in orders.actions.for_stacks if each.is_power}:
        if not stacks:
            raise UnprocessableEntity(
                "power is switched by whole stacks: tick the stacks, not their rasps"
            )
        return wanted("stacks", stacks)
    if not rasps:
        return wanted("stacks", stacks)
    of_stacks = {slot.id for number in stacks for slot in now.rack.stack(number).slots}
    return wanted("rasps", tuple(sorted(of_stacks.union(rasps))))


def form_fields(order_request: OrderRequest) -> dict[str, list[str]]:
    """Return the fields of a form that wants this; `force` is left to whoever confirms it."""
    do = (
        f"{order_request.action}:{order_request.alias}"
        if order_request.alias
        else order_request.action
    )
    if order_request.scope == "rack":
        return {"do": [do], "rack": ["yes"]}
    return {
        "do": [do],
        order_request.scope.removesuffix("s"): [str(each) for each in order_request.ids],
    }


def _retry_fields(orders: OrderService, order: Order) -> dict[str, list[str]]:
    """Return the fields of a form that tries an order again where it failed; empty: nowhere."""
    if not order.state.is_over or _find_action(orders, order) is None:
        return {}
    kind = "stack" if order.request.action.startswith("power_") else "rasp"
    missed = [
        str(each.id) for each in order.results if each.kind == kind and each.result is Result.FAILED
    ]
    return {"do": form_fields(order.request)["do"], kind: missed} if missed else {}


def _find_action(orders: OrderService, order: Order) -> Action | None:
    """Return an order's action, None where the aliases file has it no more."""
    known = {each.name: each for each in orders.actions.for_stacks}
    return known.get(order.request.action)


def _can_read_audit() -> bool:
    role = current_actor().role
    return role is not None and role.includes(Role.OPERATOR)


def _parse_ids(form: MultiDict[str, str], name: str) -> tuple[int, ...]:
    numbers = {_parse_id(text) for text in form.getlist(name)}
    if None in numbers:
        raise UnprocessableEntity(f"{name} is a number")
    return tuple(sorted(number for number in numbers if number is not None))


def _parse_id(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) < len(str(_MAX_ID))
    return int(text) if is_number and int(text) > 0 else None
