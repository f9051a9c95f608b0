"""The API's routes for installs, replacements and swaps."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for

from controller.auth.access_control import client_address, current_actor, requires_role
from controller.auth.roles import Role
from controller.installation.schemas import (
    InstallationResponse,
    InstallationsQuery,
    ReplaceRasp,
    StartInstallation,
    SwapRasps,
)
from controller.installation.service import InstallService, Requester
from controller.web.api import JSON_TYPE, json_response
from controller.web.openapi import API_PREFIX, OpenApiDocument
from dhcp_installer.install.journal import InstallRecord

_RASP_PATH_PARAMS = {"number": "The rasp's id."}
_STARTED_RESPONSES = {HTTPStatus.ACCEPTED: InstallationResponse}
_STARTED_OR_DRY_RUN_RESPONSES = {HTTPStatus.OK: InstallationResponse, **_STARTED_RESPONSES}


def blueprint(document: OpenApiDocument, installation: InstallService) -> Blueprint:
    """Return the routes, declared in `document`."""
    api = Blueprint("installation", __name__, url_prefix=API_PREFIX)

    @api.post("/installation")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        "installation", _STARTED_OR_DRY_RUN_RESPONSES, body_model=StartInstallation
    )
    def start_installation(wanted: StartInstallation) -> Response:
        """Begin an install: find out which rasp sits where, and write it into dhcpd.conf.

        It cuts all stacks, several times. A dry run cuts none, and answers 200 with the diff.
        """
        if wanted.dry_run:
            diff = installation.preview()
            answer = InstallationResponse.empty(
                wanted.strategy, actor=current_actor().name, diff=diff
            )
            return _json_response(answer, HTTPStatus.OK)
        return _accepted_response(installation.start(wanted.strategy, _requester()))

    @api.get("/installation")
    @document.read_endpoint("installation", InstallationResponse)
    def get_installation() -> Response:
        """Tell how far the running install is, or how the last one ended."""
        latest = installation.latest()
        return json_response(
            InstallationResponse.of(latest) if latest else InstallationResponse.empty()
        )

    @api.delete("/installation")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("installation", _STARTED_RESPONSES)
    def stop_installation() -> Response:
        """Stop the running install safely, or put in order what an interrupted one has left.

        Power is then as it was before, and so is dhcpd.conf where nothing was decided yet.
        """
        return _accepted_response(installation.stop(_requester()))

    @api.get("/installations")
    @document.read_endpoint(
        "installation", list[InstallationResponse], query_model=InstallationsQuery
    )
    def list_installations(wanted: InstallationsQuery) -> Response:
        """List the newest installs, replacements and swaps, the newest first."""
        found = installation.list_recent(wanted.limit, wanted.before)
        return json_response([InstallationResponse.of(each) for each in found])

    @api.post("/rasps/<int:number>/replace")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        "rasps", _STARTED_RESPONSES, body_model=ReplaceRasp, path_params=_RASP_PATH_PARAMS
    )
    def replace_rasp(wanted: ReplaceRasp, number: int) -> Response:
        """Wait for a new board in a rasp's slot: it gets the old one's name and address.

        Its stack is cut, so that it is certain where the new board is.
        """
        return _accepted_response(
            installation.replace(installation.rack.slot(number), wanted.strategy, _requester())
        )

    @api.post("/rasps/swap")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("rasps", {HTTPStatus.OK: InstallationResponse}, body_model=SwapRasps)
    def swap_rasps(wanted: SwapRasps) -> Response:
        """Exchange two rasps of a stack: nothing but people can tell which slot is whose."""
        one, other = (installation.rack.slot(number) for number in wanted.ids)
        return _json_response(
            InstallationResponse.of(installation.swap(one, other, _requester())), HTTPStatus.OK
        )

    return api


def _requester() -> Requester:
    return Requester(current_actor().name, client_address())


def _accepted_response(record: InstallRecord) -> Response:
    response = _json_response(InstallationResponse.of(record), HTTPStatus.ACCEPTED)
    response.headers["Location"] = url_for("installation.get_installation")
    return response


def _json_response(body: InstallationResponse, status: HTTPStatus) -> Response:
    return Response(body.model_dump_json(), status, content_type=JSON_TYPE)
