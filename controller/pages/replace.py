"""Replacing the board of a rasp, and swapping two of a stack."""

from collections.abc import Callable

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.auth.access_control import requires_role
from controller.auth.roles import Role
from controller.installation.service import InstallService
from controller.pages.install import current_requester, requested_strategy
from controller.state.model import RackState
from controller.web.responses import render_page
from rack.layout import Slot

_MAX_ID_DIGITS = 9


def blueprint(state: Callable[[], RackState], installation: InstallService) -> Blueprint:
    """Return `/replace` and `/swap`; `state` is asked at each request."""
    pages = Blueprint("replace", __name__)

    @pages.get("/replace")
    @requires_role(Role.OPERATOR)
    def confirm() -> Response:
        now = state()
        slot = _requested_slot(now, request.args.get("rasp", ""))
        return render_page(
            "replace.html",
            rasp=now.rasps[slot.id - 1],
            stack=now.stacks[slot.stack - 1],
        )

    @pages.post("/replace")
    @requires_role(Role.OPERATOR)
    def begin() -> BaseResponse:
        slot = _requested_slot(state(), request.form.get("rasp", ""))
        installation.replace(slot, requested_strategy(), current_requester())
        return redirect(url_for("install.show"), 303)

    @pages.post("/swap")
    @requires_role(Role.OPERATOR)
    def swap() -> BaseResponse:
        now = state()
        one, other = (
            _requested_slot(now, request.form.get(name, "")) for name in ("rasp", "other")
        )
        entry = installation.swap(one, other, current_requester())
        return redirect(url_for("install.one", number=entry.id), 303)

    return pages


def _requested_slot(now: RackState, text: str) -> Slot:
    if not (text.isascii() and text.isdecimal() and len(text) < _MAX_ID_DIGITS):
        raise UnprocessableEntity("choose a rasp by its id")
    return now.rack.slot(int(text))
