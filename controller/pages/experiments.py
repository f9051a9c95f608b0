"""List runs of experiments, show a run with its time line, and stop a run."""

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from controller.auth.access_control import AccessControl, current_actor, requires_role
from controller.auth.roles import Role
from controller.experiments.service import ExperimentService
from controller.experiments.store import MAX_EVENTS
from controller.pages.paging import PAGE_SIZE, requested_before
from controller.pages.run_timeline import faults_start, run_timeline
from controller.web.responses import render_page

_MAX_SHOWN_EVENTS = 1_000
_MAX_NAME_CHARS = 100


def blueprint(experiments: ExperimentService, access: AccessControl) -> Blueprint:
    """Return the views of `/experiments`."""
    pages = Blueprint("experiment_pages", __name__, url_prefix="/experiments")

    @pages.get("")
    @requires_role(Role.OPERATOR)
    def index() -> Response:
        name = request.args.get("name", "")[:_MAX_NAME_CHARS]
        runs = experiments.list_recent(PAGE_SIZE, before=requested_before(), name=name or None)
        return render_page("experiments.html", runs=runs, name=name, page_size=PAGE_SIZE)

    @pages.get("/<int:number>")
    @requires_role(Role.OPERATOR)
    def show(number: int) -> Response:
        run = experiments.get(number)
        events = experiments.events(number, limit=MAX_EVENTS)
        return render_page(
            "run.html",
            run=run,
            events=events[:_MAX_SHOWN_EVENTS],
            has_more_events=len(events) > _MAX_SHOWN_EVENTS,
            origin=faults_start(events),
            timeline=run_timeline(run, events, experiments.rates(number)),
        )

    @pages.post("/<int:number>/stop")
    @requires_role(Role.OPERATOR)
    def stop(number: int) -> BaseResponse:
        run = experiments.stop(number, current_actor().name)
        access.record("experiment stop", run.title, "ok")
        return redirect(url_for("experiment_pages.show", number=number), 303)

    return pages
