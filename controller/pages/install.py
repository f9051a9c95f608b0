"""Install the rack: preview, confirmation, progress and result."""

from collections.abc import Callable, Sequence
from itertools import islice

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response as BaseResponse

from controller.auth.access_control import client_address, current_actor, requires_role
from controller.auth.roles import Role
from controller.installation.schemas import InstallationSummaryResponse
from controller.installation.service import InstallService, Requester
from controller.pages.install_result import FoundResult, found_result
from controller.state.model import RackState, RaspStatus
from controller.web.responses import render_page
from dhcp_installer import DEFAULT_STRATEGY
from dhcp_installer.install.installer import STRATEGIES
from dhcp_installer.install.journal import InstallRecord, InstallState
from dhcp_installer.install.progress import Stage
from rack.layout import Rack

_MAX_RECENT = 20

STAGE_LABELS: Sequence[tuple[Stage, str]] = (
    (Stage.CHECK, "Check"),
    (Stage.LEASES, "Shorten leases"),
    (Stage.WAIT, "Wait for the new board"),
    (Stage.DISCOVER, "Find rasps"),
    (Stage.CONFIGURE, "Write dhcpd.conf"),
    (Stage.RENEW, "Renew leases"),
    (Stage.VERIFY, "Verify addresses"),
    (Stage.FINISH, "Finish"),
)
"""Labels of the stages, in order."""


def blueprint(read_state: Callable[[], RackState], installation: InstallService) -> Blueprint:
    """Return the views of `/install`."""
    pages = Blueprint("install", __name__, url_prefix="/install")

    def install_page(
        record: InstallRecord | None, error: str = "", diff: str | None = None
    ) -> Response:
        rack_state = read_state()
        return render_page(
            "install.html",
            rack_state=rack_state,
            install=record,
            is_running=record is not None and record.is_running,
            is_latest=record is None or record.id == _record_id(installation.latest()),
            stages=_stage_progress(record),
            result=record and _result(rack_state.rack, record),
            outlets_to_restore=record and installation.outlets_to_restore(record),
            has_outlet_per_slot=any(s.has_outlet_per_slot for s in rack_state.rack.stacks),
            up=rack_state.counts[RaspStatus.UP],
            recent=[
                InstallationSummaryResponse.of(each)
                for each in islice(installation.iterate_recent(), _MAX_RECENT)
            ],
            error=error,
            diff=diff,
        )

    @pages.get("")
    @requires_role(Role.OPERATOR)
    def index() -> Response:
        return install_page(installation.latest())

    @pages.get("/<int:install_id>")
    @requires_role(Role.OPERATOR)
    def show(install_id: int) -> Response:
        return install_page(installation.get(install_id))

    @pages.get("/diff")
    @requires_role(Role.OPERATOR)
    def preview() -> Response:
        return install_page(installation.latest(), diff=installation.preview())

    @pages.post("")
    @requires_role(Role.OPERATOR)
    def start() -> BaseResponse:
        rack_name = installation.rack.name
        if request.form.get("rack_name", "").strip() != rack_name:
            response = install_page(
                installation.latest(), f"To start, enter the rack name: {rack_name}."
            )
            response.status_code = 422
            return response
        installation.start(requested_strategy(), current_requester())
        return redirect(url_for("install.index"), 303)

    @pages.post("/stop")
    @requires_role(Role.OPERATOR)
    def stop() -> BaseResponse:
        installation.stop(current_requester())
        return redirect(url_for("install.index"), 303)

    return pages


def _result(rack: Rack, record: InstallRecord) -> FoundResult:
    is_final = record.assignment is not None and not record.is_running
    return found_result(rack, record.report, is_final=is_final)


def _stage_progress(record: InstallRecord | None) -> list[tuple[str, str]]:
    """Return the label of each stage with `done`, `current` or `pending`."""
    if record is None:
        return []
    current = record.report.stage
    if current is Stage.UNDO:
        progress = "current" if record.is_running else "done"
        return [("Restore the previous state", progress)]
    labels = {
        stage: label for stage, label in STAGE_LABELS if stage is current or stage is not Stage.WAIT
    }
    position = list(labels).index(current)
    is_done = record.state is InstallState.DONE
    return [
        (label, "done" if i < position or is_done else "current" if i == position else "pending")
        for i, label in enumerate(labels.values())
    ]


def requested_strategy() -> str:
    """Return the strategy selected in the form of the current request."""
    strategy = request.form.get("strategy", DEFAULT_STRATEGY)
    if strategy not in STRATEGIES:
        raise UnprocessableEntity(f"unknown strategy {strategy[:20]!r}")
    return strategy


def current_requester() -> Requester:
    """Return the requester of the current request."""
    return Requester(current_actor().name, client_address())


def _record_id(record: InstallRecord | None) -> int | None:
    return None if record is None else record.id
