"""Replace the board of a rasp, or swap two rasps of a stack."""

from collections.abc import Callable

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from controller.auth.access_control import requires_role
from controller.auth.roles import Role
from controller.installation.service import InstallService
from controller.pages.install import current_requester, requested_strategy
from controller.state.model import RackState
from controller.web.responses import render_page
from rack.targets import resolve_slot


def blueprint(read_state: Callable[[], RackState], installation: InstallService) -> Blueprint:
    """Return the views of `/replace` and `/swap`."""
    pages = Blueprint("replace", __name__)

    @pages.get("/replace")
    @requires_role(Role.OPERATOR)
    def confirm() -> Response:
        rack_state = read_state()
        slot = resolve_slot(rack_state.rack, request.args.get("rasp", ""))
        return render_page(
            "replace.html",
            rasp=rack_state.rasps[slot.id - 1],
            stack=rack_state.stacks[slot.stack - 1],
        )

    @pages.post("/replace")
    @requires_role(Role.OPERATOR)
    def start() -> BaseResponse:
        slot = resolve_slot(read_state().rack, request.form.get("rasp", ""))
        installation.replace(slot, requested_strategy(), current_requester())
        return redirect(url_for("install.index"), 303)

    @pages.post("/swap")
    @requires_role(Role.OPERATOR)
    def swap() -> BaseResponse:
        rack_state = read_state()
        first, second = (
            resolve_slot(rack_state.rack, request.form.get(field, ""))
            for field in ("rasp", "other_rasp")
        )
        record = installation.swap(first, second, current_requester())
        return redirect(url_for("install.show", install_id=record.id), 303)

    return pages
