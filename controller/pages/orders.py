"""Orders: given by forms, confirmed where they take rasps down, followed while they run."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.access import Access, actor, needs, origin
from controller.conditional import page
from controller.orders.actions import Action
from controller.orders.book import Search
from controller.orders.order import Order, OrderState, Result, Scope, Wanted
from controller.orders.orders import Orders
from controller.roles import Role
from controller.state import RackState

_PAGE_OF = 50
_LONGEST_QUERY = 100
_LARGEST_ID = 2**62

Fields = Mapping[str, list[str]]


def blueprint(state: Callable[[], RackState], orders: Orders, access: Access) -> Blueprint:
    """Return `/orders` and what belongs to it; `state` is asked at each request."""
    pages = Blueprint("order", __name__, url_prefix="/orders")

    @pages.get("")
    def show() -> Response:
        text = request.args.get("q", "")[:_LONGEST_QUERY]
        before = _number(request.args.get("before", ""))
        is_audit = request.args.get("view") == "audit" and _may_see_audit()
        if is_audit:
            entries = access.audit.newest(_PAGE_OF, before=before, text=text)
            return page("audit.html", entries=entries, q=text, before=before, page_of=_PAGE_OF)
        wanted = request.args.get("state", "")
        found = orders.newest(
            _PAGE_OF,
            Search(
                before=before,
                state=OrderState(wanted) if wanted in set(OrderState) else None,
                text=text or None,
            ),
        )
        return page(
            "orders.html",
            found=found,
            q=text,
            wanted=wanted,
            before=before,
            states=OrderState,
            page_of=_PAGE_OF,
        )

    @pages.get("/<int:number>")
    def one(number: int) -> Response:
        order = orders.get(number)
        failed = [each for each in order.outcomes if each.result is Result.FAILED]
        unknown = [each for each in order.outcomes if each.result is Result.UNKNOWN]
        return page(
            "order.html",
            order=order,
            action=_known(orders, order),
            failed=failed,
            unknown=unknown,
            again=_again(orders, order),
        )

    @pages.get("/new")
    @needs(Role.OPERATOR)
    def confirm() -> Response:
        wanted = wanted_by(request.args, orders, state())
        preview = orders.preview(wanted)
        return page(
            "order_new.html",
            wanted=wanted,
            action=orders.actions.choose(wanted),
            preview=preview,
            fields=fields_of(wanted),
        )

    @pages.post("")
    @needs(Role.OPERATOR)
    def place() -> BaseResponse:
        wanted = wanted_by(request.form, orders, state())
        action = orders.actions.choose(wanted)
        if action.takes_down and request.form.get("confirmed") != "yes":
            query = urlencode(fields_of(wanted), doseq=True)
            return redirect(f"{url_for('order.confirm')}?{query}", 303)
        order = orders.place(wanted, actor().name, origin())
        return redirect(url_for("order.one", number=order.id), 303)

    @pages.post("/<int:number>/cancel")
    @needs(Role.OPERATOR)
    def cancel(number: int) -> BaseResponse:
        order = orders.cancel(number)
        access.record("cancel", order.title, "ok")
        return redirect(url_for("order.one", number=number), 303)

    return pages


def wanted_by(form: MultiDict[str, str], orders: Orders, now: RackState) -> Wanted:
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

    def wanted(scope: Scope, ids: tuple[int, ...]) -> Wanted:
        return Wanted(action, scope, ids, alias or None, is_forced)

    if form.get("rack"):
        return wanted("rack", ())
    rasps, stacks = _numbers(form, "rasp"), _numbers(form, "stack")
    if not rasps and not stacks:
        raise UnprocessableEntity("nothing is ticked: tick rasps or stacks first")
    if action in {each.name for each in orders.actions.of_stacks if each.is_power}:
        if not stacks:
            raise UnprocessableEntity(
                "power is switched by whole stacks: tick the stacks, not their rasps"
            )
        return wanted("stacks", stacks)
    if not rasps:
        return wanted("stacks", stacks)
    of_stacks = {slot.id for number in stacks for slot in now.rack.stack(number).slots}
    return wanted("rasps", tuple(sorted(of_stacks.union(rasps))))


def fields_of(wanted: Wanted) -> dict[str, list[str]]:
    """Return the fields of a form that wants this; `force` is left to whoever confirms it."""
    do = f"{wanted.action}:{wanted.alias}" if wanted.alias else wanted.action
    if wanted.scope == "rack":
        return {"do": [do], "rack": ["yes"]}
    return {"do": [do], wanted.scope.removesuffix("s"): [str(each) for each in wanted.ids]}


def _again(orders: Orders, order: Order) -> dict[str, list[str]]:
    """Return the fields of a form that tries an order again where it failed; empty: nowhere."""
    if not order.state.is_over or _known(orders, order) is None:
        return {}
    kind = "stack" if order.wanted.action.startswith("power_") else "rasp"
    missed = [
        str(each.id)
        for each in order.outcomes
        if each.kind == kind and each.result is Result.FAILED
    ]
    return {"do": fields_of(order.wanted)["do"], kind: missed} if missed else {}


def _known(orders: Orders, order: Order) -> Action | None:
    """Return an order's action, None where the aliases file has it no more."""
    known = {each.name: each for each in orders.actions.of_stacks}
    return known.get(order.wanted.action)


def _may_see_audit() -> bool:
    role = actor().role
    return role is not None and role.covers(Role.OPERATOR)


def _numbers(form: MultiDict[str, str], name: str) -> tuple[int, ...]:
    numbers = {_number(text) for text in form.getlist(name)}
    if None in numbers:
        raise UnprocessableEntity(f"{name} is a number")
    return tuple(sorted(number for number in numbers if number is not None))


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) < len(str(_LARGEST_ID))
    return int(text) if is_number and int(text) > 0 else None
