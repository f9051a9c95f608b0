"""Installing the rack: what will happen, a confirmation, live progress, the result."""

from collections.abc import Callable, Sequence
from typing import get_args

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import NotFound, UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.access import actor, needs, origin
from controller.conditional import page
from controller.installation.installation import Asker, Installation
from controller.installation.schemas import Strategy
from controller.roles import Role
from controller.state import RackState, State
from dhcp_installer.journal import Entry, InstallState
from dhcp_installer.progress import Stage

_EARLIER = 20
_GREATEST_ID = 2**62
_RUNNING = {InstallState.RUNNING, InstallState.STOPPING}

STAGES: Sequence[tuple[Stage, str]] = (
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


def blueprint(state: Callable[[], RackState], installation: Installation) -> Blueprint:
    """Return `/install` and what belongs to it; `state` is asked at each request."""
    pages = Blueprint("install", __name__, url_prefix="/install")

    def shown(entry: Entry | None, trouble: str = "", diff: str | None = None) -> Response:
        now = state()
        return page(
            "install.html",
            now=now,
            entry=entry,
            is_running=entry is not None and entry.state in _RUNNING,
            is_latest=entry is None or entry.id == _id_of(installation.latest()),
            stages=_stages(entry),
            up=now.counts[State.UP],
            earlier=installation.earlier(_EARLIER),
            trouble=trouble,
            diff=diff,
        )

    @pages.get("")
    def show() -> Response:
        return shown(installation.latest())

    @pages.get("/<int:number>")
    def one(number: int) -> Response:
        before = min(number, _GREATEST_ID) + 1
        for entry in installation.earlier(1, before):
            if entry.id == number:
                return shown(entry)
        raise NotFound(f"no install {number}")

    @pages.get("/diff")
    @needs(Role.OPERATOR)
    def diff() -> Response:
        return shown(installation.latest(), diff=installation.preview())

    @pages.post("")
    @needs(Role.OPERATOR)
    def start() -> BaseResponse:
        name = installation.rack.name
        if request.form.get("name", "").strip() != name:
            response = shown(installation.latest(), f"To begin, type the rack's name: {name}.")
            response.status_code = 422
            return response
        installation.start(strategy(), asker())
        return redirect(url_for("install.show"), 303)

    @pages.post("/stop")
    @needs(Role.OPERATOR)
    def stop() -> BaseResponse:
        installation.stop(asker())
        return redirect(url_for("install.show"), 303)

    return pages


def _stages(entry: Entry | None) -> list[tuple[str, str]]:
    """Return the stages of an install, each with `done`, `now` or `to come`."""
    if entry is None:
        return []
    reached = entry.report.stage
    known = [(stage, word) for stage, word in STAGES if stage is not Stage.WAIT or reached is stage]
    if reached is Stage.UNDO:
        return [("Put all back as it was", "now" if entry.state in _RUNNING else "done")]
    at = [stage for stage, _ in known].index(reached)
    is_done = entry.state is InstallState.DONE
    return [
        (word, "done" if i < at or is_done else "now" if i == at else "to come")
        for i, (_, word) in enumerate(known)
    ]


def strategy() -> str:
    """Return the strategy that a form has chosen."""
    chosen = request.form.get("strategy", "cut")
    if chosen not in get_args(Strategy):
        raise UnprocessableEntity(f"there is no strategy {chosen[:20]!r}")
    return chosen


def asker() -> Asker:
    """Return who makes the present request."""
    return Asker(actor().name, origin())


def _id_of(entry: Entry | None) -> int | None:
    return None if entry is None else entry.id
