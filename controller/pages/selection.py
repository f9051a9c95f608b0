"""Selections of rasps and stacks that were sent and refused: shown again, with the reason."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnprocessableEntity

from controller.orders.service import OrderService
from controller.pages.order_form import request_from_form
from controller.web.local_paths import safe_redirect_path
from rack.errors import UnknownTargetError

FORM_ID = "selection-form"
PAGE_FIELD = "page"

_PREFIX = "selected_"
_FIELDS = ("action", "rasp", "stack")
_MAX_URL_CHARS = 8000  # the server accepts twice as much for all headers


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection to show in the form of a page.

    Args:
        page: Path and query of the page, without the selection.
        action: Name of the action, as in the form.
        rasps: Ids of the rasps.
        stacks: Numbers of the stacks.
        error: Why the selection was refused, empty if none was.
    """

    page: str
    action: str = ""
    rasps: frozenset[str] = frozenset()
    stacks: frozenset[str] = frozenset()
    error: str = ""


def requested_selection(orders: OrderService) -> Selection:
    """Return the selection in the query of the current request. By default, it is empty."""
    others = MultiDict(
        (name, value)
        for name, value in request.args.items(multi=True)
        if not name.startswith(_PREFIX)
    )
    query = f"?{urlencode(list(others.items(multi=True)))}" if others else ""
    page = f"{request.script_root}{request.path}{query}"
    form: MultiDict[str, str] = MultiDict(
        (name, value) for name in _FIELDS for value in request.args.getlist(_PREFIX + name)
    )
    if not form:
        return Selection(page)
    return Selection(
        page,
        form.get("action", ""),
        frozenset(form.getlist("rasp")),
        frozenset(form.getlist("stack")),
        _error(form, orders),
    )


def url_of_refused(form: MultiDict[str, str]) -> str:
    """Return the URL of the page that sent a form, with its selection, or "" if it sent none."""
    page = safe_redirect_path(form.get(PAGE_FIELD, ""), default="")
    selected = [(_PREFIX + name, value) for name in _FIELDS for value in form.getlist(name)]
    separator = "&" if urlsplit(page).query else "?"
    url = f"{page}{separator}{urlencode(selected)}#{FORM_ID}"
    return url if page and len(url) <= _MAX_URL_CHARS else ""


def _error(form: MultiDict[str, str], orders: OrderService) -> str:
    try:
        request_from_form(form, orders.actions, orders.rack)
    except UnprocessableEntity as error:
        return error.description or ""
    except UnknownTargetError as error:
        return str(error)
    return ""
