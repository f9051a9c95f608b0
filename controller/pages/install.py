"""Installing the rack: what will happen, a confirmation, live progress, the result."""

from collections.abc import Callable, Sequence
from typing import get_args

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import NotFound, UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.auth.access_control import client_address, current_actor, requires_role
from controller.auth.roles import Role
from controller.installation.schemas import Strategy
from controller.installation.service import InstallService, Requester
from controller.state.model import RackState, RaspStatus
from controller.web.responses import render_page
from dhcp_installer.install.journal import InstallRecord, InstallState
from dhcp_installer.install.progress import Stage

_MAX_RECENT = 20
_MAX_ID = 2**62
_ACTIVE_STATES = {InstallState.RUNNING, InstallState.STOPPING}

STAGE_LABELS: Sequence[tuple[Stage, str]] = (
    (Stage.CHECK, "Check"),
    (Stage.LEASES, "Short leases"),
    (Stage.WAIT, "Wait for the new board"),
    (Stage.DISCOVER, "Find who is where"),
    (Stage.CONFIGURE, "Write dhcpd.conf"),
    (Stage.MOVE, "Move to the addresses"),
    (Stage.VERIFY, "See them there"),
    (Stage.FINISH, "Finish"),
)
"""What an install does, in order, in words for people."""


def blueprint(state: Callable[[], RackState], installation: InstallService) -> Blueprint:
    """Return `/install` and what belongs to it; `state` is asked at each request."""
    pages = Blueprint("install", __name__, url_prefix="/install")

    def shown(entry: InstallRecord | None, trouble: str = "", diff: str | None = None) -> Response:
        now = state()
        return render_page(
            "install.html",
            now=now,
            entry=entry,
            is_running=entry is not None and entry.state in _ACTIVE_STATES,
            is_latest=entry is None or entry.id == _record_id(installation.latest()),
            stages=_stage_progress(entry),
            up=now.counts[RaspStatus.UP],
            earlier=installation.list_recent(_MAX_RECENT),
            trouble=trouble,
            diff=diff,
        )

    @pages.get("")
    def show() -> Response:
        return shown(installation.latest())

    @pages.get("/<int:number>")
    def one(number: int) -> Response:
        before = min(number, _MAX_ID) + 1
        for entry in installation.list_recent(1, before):
            if entry.id == number:
                return shown(entry)
        raise NotFound(f"no install {number}")

    @pages.get("/diff")
    @requires_role(Role.OPERATOR)
    def diff() -> Response:
        return shown(installation.latest(), diff=installation.preview())

    @pages.post("")
    @requires_role(Role.OPERATOR)
    def start() -> BaseResponse:
        name = installation.rack.name
        if request.form.get("name", "").strip() != name:
            response = shown(installation.latest(), f"To begin, type the rack's name: {name}.")
            response.status_code = 422
            return response
        installation.start(requested_strategy(), current_requester())
        return redirect(url_for("install.show"), 303)

    @pages.post("/stop")
    @requires_role(Role.OPERATOR)
    def stop() -> BaseResponse:
        installation.stop(current_requester())
        return redirect(url_for("install.show"), 303)

    return pages


def _stage_progress(record: InstallRecord | None) -> list[tuple[str, str]]:
    """Return the stages of an install, each with `done`, `now` or `to come`."""
    if record is None:
        return []
    reached = record.report.stage
    known = [
        (stage, word) for stage, word in STAGE_LABELS if stage is not Stage.WAIT or reached is stage
    ]
    if reached is Stage.UNDO:
        return [("Put all back as it was", "now" if record.state in _ACTIVE_STATES else "done")]
    at = [stage for stage, _ in known].index(reached)
    is_done = record.state is InstallState.DONE
    return [
        (word, "done" if i < at or is_done else "now" if i == at else "to come")
        for i, (_, word) in enumerate(known)
    ]


def requested_strategy() -> str:
    """Return the strategy that a form has chosen."""
    chosen = request.form.get("strategy", "cut")
    if chosen not in get_args(Strategy):
        raise UnprocessableEntity(f"there is no strategy {chosen[:20]!r}")
    return chosen


def current_requester() -> Requester:
    """Return who makes the present request."""
    return Requester(current_actor().name, client_address())


def _record_id(record: InstallRecord | None) -> int | None:
    return None if record is None else record.id
