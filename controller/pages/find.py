"""Find a page, stack, rasp, order or runbook, or type an order."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flask import Blueprint, Response, request, url_for

from controller.auth.access_control import Actor, current_actor
from controller.errors import InvalidActionError, UnknownOrderError
from controller.orders.service import OrderService
from controller.pages.find_query import FindQuery
from controller.pages.navigation import visible_pages
from controller.pages.rack_history import requested_moment
from controller.pages.runbooks import runbook_names
from controller.pages.typed_orders import TypedText, typed_actions
from controller.state.model import RackState
from controller.web.responses import render_page
from rack.errors import UnknownTargetError

_MAX_QUERY_CHARS = 100
_MAX_MATCHES = 8
"""Maximum number of matches of each group."""

_NOTHING_IN_THE_PAST = "no orders can be submitted in the past"


@dataclass(frozen=True, slots=True)
class Match:
    """A match: a link, or a form that submits an order.

    Args:
        label: Text for people.
        detail: Further text.
        url: Address of the link.
        completion: Text that the link searches for next.
        fields: Fields of the form, without the CSRF token. Empty for a link.
    """

    label: str
    detail: str = ""
    url: str = ""
    completion: str = ""
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MatchGroup:
    """Matches of one kind. `count` includes those that are not listed."""

    title: str
    matches: Sequence[Match]
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """The groups of matches, and why an order cannot be submitted."""

    groups: Sequence[MatchGroup]
    error: str = ""

    @property
    def count(self) -> int:
        """Number of matches, with those that are not listed."""
        return sum(group.count for group in self.groups)


def blueprint(read_state: Callable[[], RackState], orders: OrderService) -> Blueprint:
    """Return the views of `/find`. They change nothing: orders are submitted by their form."""
    pages = Blueprint("find", __name__)

    def render(template: str) -> Response:
        text = request.args.get("q", "")[:_MAX_QUERY_CHARS]
        query, typed, actor = FindQuery.parse(text), TypedText.parse(text), current_actor()
        actions, error = _find_actions(typed, orders) if actor.has_controls else ([], "")
        if actions and requested_moment() is not None:
            actions, error = [], _NOTHING_IN_THE_PAST
        found = [*_find(query, read_state(), orders, actor)]
        # Actions without targets are rarely what is searched for.
        groups = [*actions, *found] if typed.targets else [*found, *actions]
        groups += _find_runbooks(query)
        return render_page(template, q=text, found=Found(groups, error))

    @pages.get("/find")
    def show() -> Response:
        return render("find.html")

    @pages.get("/find/matches")
    def matches() -> Response:
        """Return the matches alone, to show them in other pages."""
        return render("find_matches.html")

    return pages


def _find(
    query: FindQuery, rack_state: RackState, orders: OrderService, actor: Actor
) -> Iterator[MatchGroup]:
    pages = [
        Match(page.label, url=url_for(page.endpoint, **page.arguments))
        for page in query.pages(visible_pages(actor))
    ]
    yield from _group("Pages", pages, _MAX_MATCHES if query.text else len(pages))
    stacks = [
        Match(f"Stack {stack.name}", url=url_for("stack.show", number=stack.number))
        for stack in query.stacks(rack_state.rack)
    ]
    yield from _group("Stacks", stacks)
    rasps = [
        Match(
            rasp.slot.name,
            f"{rasp.rasp.address}, {rasp.rasp.mac}" if rasp.rasp else "not installed",
            url_for("rasp.show", rasp_id=rasp.slot.id),
        )
        for rasp in query.rasps(rack_state.rasps)
    ]
    yield from _group("Rasps", rasps)
    if actor.has_controls and query.order_id is not None:
        yield from _group("Orders", _find_order(orders, query.order_id))


def _find_runbooks(query: FindQuery) -> Iterator[MatchGroup]:
    runbooks = [
        Match(name, url=url_for("runbook_pages.show", name=name))
        for name in query.runbooks(runbook_names())
    ]
    yield from _group("Runbooks", runbooks)


def _group(
    title: str, matches: Collection[Match], limit: int = _MAX_MATCHES
) -> Iterator[MatchGroup]:
    if matches:
        yield MatchGroup(title, list(matches)[:limit], len(matches))


def _find_order(orders: OrderService, order_id: int) -> list[Match]:
    try:
        order = orders.get(order_id)
    except UnknownOrderError:
        return []
    return [
        Match(
            f"Order {order.id}: {order.request.label} {order.target_text}",
            f"{order.result or order.state}, by {order.actor}",
            url_for("order_pages.show", order_id=order.id),
        )
    ]


def _find_actions(typed: TypedText, orders: OrderService) -> tuple[list[MatchGroup], str]:
    """Return the orders that a text can be, or the actions that lack targets, and an error."""
    matches, error = [], ""
    for action in typed_actions(typed.name, orders.actions):
        completion = f"{action.name} "
        if not typed.targets:
            url = url_for("find.show", q=completion)
            matches.append(Match(f"{action.label} …", action.help, url, completion))
            continue
        try:
            targets = action.target_text(typed.targets, orders.actions, orders.rack)
        except (InvalidActionError, UnknownTargetError) as refusal:
            error = error or str(refusal)
            continue
        fields = {"action": [action.field], "targets": [" ".join(typed.targets)]}
        matches.append(Match(f"{action.label} {targets}", action.help, fields=fields))
    title = "Submit an order" if typed.targets else "Actions, for which targets are missing"
    return list(_group(title, matches)), "" if matches else error
