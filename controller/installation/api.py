"""API routes of installs, replacements and swaps."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for

from controller import API_PREFIX
from controller.auth.access_control import client_address, current_actor, requires_role
from controller.auth.roles import Role
from controller.installation.schemas import (
    InstallationResponse,
    InstallationsQuery,
    InstallationSummaryResponse,
    ReplaceRasp,
    StartInstallation,
    SwapRasps,
)
from controller.installation.service import InstallService, Requester
from controller.web.api import RASP_PATH_PARAMS, json_response, write_response
from controller.web.openapi import OpenApiDocument
from controller.web.paging import page_response
from dhcp_installer.install.journal import InstallRecord
from rack.targets import resolve_slot

_STARTED_RESPONSES = {HTTPStatus.ACCEPTED: InstallationResponse}
_FINISHED_OR_STARTED_RESPONSES = {HTTPStatus.OK: InstallationResponse, **_STARTED_RESPONSES}


def blueprint(document: OpenApiDocument, installation: InstallService) -> Blueprint:
    """Return the routes, and declare them in the OpenAPI document."""
    api = Blueprint("installation", __name__, url_prefix=API_PREFIX)

    @api.post("/installation")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        "installation", _FINISHED_OR_STARTED_RESPONSES, body_model=StartInstallation
    )
    def start_installation(body: StartInstallation) -> Response:
        """Start an install: find the slot of each rasp, and configure the DHCP server.

        An install switches all outlets off several times. A dry run switches no outlet, and returns
        200 with the diff of dhcpd.conf.
        """
        if body.dry_run:
            response = InstallationResponse.empty(
                body.strategy, actor=current_actor().name, diff=installation.preview()
            )
            return write_response(response)
        return _accepted_response(installation.start(body.strategy, _requester()))

    @api.get("/installation")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        "installation", InstallationResponse, extra_statuses=[HTTPStatus.FORBIDDEN]
    )
    def get_installation() -> Response:
        """Return the running install, or the last install."""
        latest = installation.latest()
        return json_response(
            _response_of(installation, latest) if latest else InstallationResponse.empty()
        )

    @api.delete("/installation")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("installation", _STARTED_RESPONSES)
    def stop_installation() -> Response:
        """Stop the running install, or recover an interrupted install.

        The power of all outlets is restored. If some slots are not assigned, dhcpd.conf is also
        restored.
        """
        return _accepted_response(installation.stop(_requester()))

    @api.get("/installations")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        "installation",
        list[InstallationSummaryResponse],
        query_model=InstallationsQuery,
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def list_installations(query: InstallationsQuery) -> Response:
        """List installs, replacements and swaps without their steps and results, newest first.

        If there are more, `Link` is the URL of the next page.
        """
        recent = installation.iterate_recent(query.before)
        return page_response(map(InstallationSummaryResponse.of, recent), query.limit)

    @api.get("/installations/<int:number>")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        "installation",
        InstallationResponse,
        path_params={"number": "Id of the install."},
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def get_earlier_installation(number: int) -> Response:
        """Return an install, a replacement or a swap with its steps and results."""
        return json_response(_response_of(installation, installation.get(number)))

    @api.post("/rasps/<rasp:rasp>/replace")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint(
        "rasps", _STARTED_RESPONSES, body_model=ReplaceRasp, path_params=RASP_PATH_PARAMS
    )
    def replace_rasp(body: ReplaceRasp, rasp: str) -> Response:
        """Wait for a new board in a slot, and assign it the name and address of the slot.

        The outlet of the slot is switched off to verify that it powers the new board. If the stack
        has one outlet, all of its rasps lose power.
        """
        slot = resolve_slot(installation.rack, rasp)
        return _accepted_response(installation.replace(slot, body.strategy, _requester()))

    @api.post("/rasps/swap")
    @requires_role(Role.OPERATOR)
    @document.write_endpoint("rasps", _FINISHED_OR_STARTED_RESPONSES, body_model=SwapRasps)
    def swap_rasps(body: SwapRasps) -> Response:
        """Exchange two rasps of a stack.

        PiRack cannot detect the slot of a rasp that shares its outlet. A swap switches no outlet.
        The response is 202 if the DHCP server does not restart within 30 s. The swap then
        continues.
        """
        one, other = (resolve_slot(installation.rack, str(rasp)) for rasp in body.ids)
        record = installation.swap(one, other, _requester())
        if record.is_running:
            return _accepted_response(record)
        return write_response(InstallationResponse.of(record))

    return api


def _requester() -> Requester:
    return Requester(current_actor().name, client_address())


def _response_of(installation: InstallService, record: InstallRecord) -> InstallationResponse:
    return InstallationResponse.of(record, installation.outlets_to_restore(record))


def _accepted_response(record: InstallRecord) -> Response:
    response = write_response(InstallationResponse.of(record), HTTPStatus.ACCEPTED)
    response.headers["Location"] = url_for("installation.get_installation")
    return response
