"""Replacing the board of a rasp, and swapping two of a stack."""

from collections.abc import Callable

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.access import needs
from controller.conditional import page
from controller.installation.installation import Installation
from controller.pages.install import asker, strategy
from controller.roles import Role
from controller.state import RackState
from rack.layout import Slot

_LONGEST_ID = 9


def blueprint(state: Callable[[], RackState], installation: Installation) -> Blueprint:
    """Return `/replace` and `/swap`; `state` is asked at each request."""
    pages = Blueprint("replace", __name__)

    @pages.get("/replace")
    @needs(Role.OPERATOR)
    def confirm() -> Response:
        now = state()
        slot = _slot(now, request.args.get("rasp", ""))
        return page(
            "replace.html",
            rasp=now.rasps[slot.id - 1],
            stack=now.stacks[slot.stack - 1],
        )

    @pages.post("/replace")
    @needs(Role.OPERATOR)
    def begin() -> BaseResponse:
        slot = _slot(state(), request.form.get("rasp", ""))
        installation.replace(slot, strategy(), asker())
        return redirect(url_for("install.show"), 303)

    @pages.post("/swap")
    @needs(Role.OPERATOR)
    def swap() -> BaseResponse:
        now = state()
        one, other = (_slot(now, request.form.get(name, "")) for name in ("rasp", "other"))
        entry = installation.swap(one, other, asker())
        return redirect(url_for("install.one", number=entry.id), 303)

    return pages


def _slot(now: RackState, text: str) -> Slot:
    if not (text.isascii() and text.isdecimal() and len(text) < _LONGEST_ID):
        raise UnprocessableEntity("choose a rasp by its id")
    return now.rack.slot(int(text))
