"""API routes of experiments."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for
from werkzeug.exceptions import ServiceUnavailable

from controller import API_PREFIX
from controller.auth.access_control import AccessControl, current_actor, requires_role
from controller.auth.roles import Role
from controller.experiments.model import Rate, RunHeader
from controller.experiments.openmetrics import CONTENT_TYPE_LATEST
from controller.experiments.schemas import (
    ClientRequestResponse,
    DryRunResponse,
    EventsQuery,
    LeaseBody,
    LeaseResponse,
    RateModel,
    RunEventResponse,
    RunRequestBody,
    RunResponse,
    RunsQuery,
    RunSummaryResponse,
    VerdictBody,
)
from controller.experiments.service import ExperimentService
from controller.state.prometheus import PrometheusUnavailableError
from controller.web.api import json_response, write_response
from controller.web.openapi import OpenApiDocument
from controller.web.paging import page_response

_TAG = "experiments"
_RUN_PARAMS = {"number": "Id of the run."}


def blueprint(
    document: OpenApiDocument, experiments: ExperimentService, access: AccessControl
) -> Blueprint:
    """Return the routes, and declare them in the OpenAPI document."""
    api = Blueprint("experiments", __name__, url_prefix=f"{API_PREFIX}/experiments")

    @api.post("/plans")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(_TAG, {HTTPStatus.OK: DryRunResponse}, body_model=RunRequestBody)
    def make_plan(body: RunRequestBody) -> Response:
        """Return the plan of an experiment and a seed. Nothing is started."""
        return write_response(
            DryRunResponse.of(experiments.plan(body.request, current_actor().name))
        )

    @api.post("")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(_TAG, {HTTPStatus.ACCEPTED: RunResponse}, body_model=RunRequestBody)
    def start_run(body: RunRequestBody) -> Response:
        """Start a run. It ends if its lease is not renewed for ten seconds."""
        run = experiments.run(body.request, current_actor().name)
        _record("run", run)
        response = write_response(RunResponse.of_run(run), HTTPStatus.ACCEPTED)
        response.headers["Location"] = url_for("experiments.get_run", number=run.id)
        return response

    @api.get("")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        _TAG,
        list[RunSummaryResponse],
        query_model=RunsQuery,
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def list_runs(query: RunsQuery) -> Response:
        """List runs without their plans, newest first.

        If there are more runs, `Link` is the URL of the next page.
        """
        runs = experiments.list_recent(query.limit + 1, before=query.before, name=query.name)
        return page_response(map(RunSummaryResponse.of, runs), query.limit)

    @api.get("/<int:number>")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        _TAG, RunResponse, path_params=_RUN_PARAMS, extra_statuses=[HTTPStatus.FORBIDDEN]
    )
    def get_run(number: int) -> Response:
        """Return a run and its plan."""
        return json_response(RunResponse.of_run(experiments.get(number)))

    @api.get("/<int:number>/events")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        _TAG,
        list[RunEventResponse],
        path_params=_RUN_PARAMS,
        query_model=EventsQuery,
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def list_run_events(query: EventsQuery, number: int) -> Response:
        """List the events of a run in order."""
        events = experiments.events(number, after=query.after, limit=query.limit)
        return json_response([RunEventResponse.of(event) for event in events])

    @api.get("/<int:number>/rates")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        _TAG, list[RateModel], path_params=_RUN_PARAMS, extra_statuses=[HTTPStatus.FORBIDDEN]
    )
    def list_rates(number: int) -> Response:
        """List the rates of the client of a run, in order of time."""
        return json_response([RateModel.of(rate) for rate in experiments.rates(number)])

    @api.delete("/<int:number>")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(_TAG, {HTTPStatus.ACCEPTED: RunResponse}, path_params=_RUN_PARAMS)
    def stop_run(number: int) -> Response:
        """Stop a run. Its power returns, and then it is `aborted`."""
        run = experiments.stop(number, current_actor().name)
        _record("stop", run)
        response = write_response(RunResponse.of_run(run), HTTPStatus.ACCEPTED)
        response.headers["Location"] = url_for("experiments.get_run", number=run.id)
        return response

    def _record(action: str, run: RunHeader) -> None:
        access.record(f"experiment {action}", run.title, "ok")

    _add_client_routes(api, document, experiments)
    return api


def _add_client_routes(
    api: Blueprint, document: OpenApiDocument, experiments: ExperimentService
) -> None:
    """Add the routes for the program that runs the client of a run, and records it."""

    @api.post("/<int:number>/lease")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        _TAG, {HTTPStatus.OK: LeaseResponse}, body_model=LeaseBody, path_params=_RUN_PARAMS
    )
    def renew_lease(body: LeaseBody, number: int) -> Response:
        """Renew the lease of a run: send rates and answers, and get the open questions."""
        rates = [Rate(**dict(rate)) for rate in body.rates]
        answers = [each.answer for each in body.answers]
        run, requests = experiments.renew(number, rates, answers)
        now = experiments.now()
        return write_response(
            LeaseResponse(
                run=RunSummaryResponse.of(run),
                time=now.time,
                monotonic=now.monotonic,
                requests=[ClientRequestResponse.of(each) for each in requests],
            )
        )

    @api.post("/<int:number>/verdict")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        _TAG, {HTTPStatus.OK: RunResponse}, body_model=VerdictBody, path_params=_RUN_PARAMS
    )
    def send_verdict(body: VerdictBody, number: int) -> Response:
        """Send the verdict of a run that is `checking`."""
        return write_response(RunResponse.of_run(experiments.take_verdict(number, body.verdict)))

    @api.get("/<int:number>/metrics")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(_TAG, path_params=_RUN_PARAMS, extra_statuses=[HTTPStatus.FORBIDDEN])
    def get_metrics(number: int) -> Response:
        """Return the metrics of the nodes in the time of the run as OpenMetrics text."""
        try:
            return Response(experiments.samples(number), content_type=CONTENT_TYPE_LATEST)
        except PrometheusUnavailableError as error:
            raise ServiceUnavailable(str(error)) from error
