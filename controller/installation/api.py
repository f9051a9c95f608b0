"""The API's routes for installs, replacements and swaps."""

from http import HTTPStatus

from flask import Blueprint, Response, url_for

from controller.access import actor, needs, origin
from controller.api import JSON, as_json
from controller.installation.installation import Asker, Installation
from controller.installation.schemas import (
    InstallationAnswer,
    InstallationsQuery,
    ReplaceRasp,
    StartInstallation,
    SwapRasps,
)
from controller.openapi import PREFIX, Document
from controller.roles import Role
from dhcp_installer.journal import Entry

_A_RASP = {"number": "The rasp's id."}
_BEGUN = {HTTPStatus.ACCEPTED: InstallationAnswer}
_BEGUN_OR_DRY = {HTTPStatus.OK: InstallationAnswer, **_BEGUN}


def blueprint(document: Document, installation: Installation) -> Blueprint:
    """Return the routes, declared in `document`."""
    api = Blueprint("installation", __name__, url_prefix=PREFIX)

    @api.post("/installation")
    @needs(Role.OPERATOR)
    @document.change("installation", _BEGUN_OR_DRY, sends=StartInstallation)
    def start_installation(wanted: StartInstallation) -> Response:
        """Begin an install: find out which rasp sits where, and write it into dhcpd.conf.

        It cuts all stacks, several times. A dry run cuts none, and answers 200 with the diff.
        """
        if wanted.dry_run:
            diff = installation.preview()
            answer = InstallationAnswer.none(wanted.strategy, who=actor().name, diff=diff)
            return _sent(answer, HTTPStatus.OK)
        return _accepted(installation.start(wanted.strategy, _asker()))

    @api.get("/installation")
    @document.operation("installation", InstallationAnswer)
    def get_installation() -> Response:
        """Tell how far the running install is, or how the last one ended."""
        latest = installation.latest()
        return as_json(InstallationAnswer.of(latest) if latest else InstallationAnswer.none())

    @api.delete("/installation")
    @needs(Role.OPERATOR)
    @document.change("installation", _BEGUN)
    def stop_installation() -> Response:
        """Stop the running install safely, or put in order what an interrupted one has left.

        Power is then as it was before, and so is dhcpd.conf where nothing was decided yet.
        """
        return _accepted(installation.stop(_asker()))

    @api.get("/installations")
    @document.operation("installation", list[InstallationAnswer], takes=InstallationsQuery)
    def list_installations(wanted: InstallationsQuery) -> Response:
        """List the newest installs, replacements and swaps, the newest first."""
        found = installation.earlier(wanted.limit, wanted.before)
        return as_json([InstallationAnswer.of(each) for each in found])

    @api.post("/rasps/<int:number>/replace")
    @needs(Role.OPERATOR)
    @document.change("rasps", _BEGUN, sends=ReplaceRasp, finds=_A_RASP)
    def replace_rasp(wanted: ReplaceRasp, number: int) -> Response:
        """Wait for a new board in a rasp's slot: it gets the old one's name and address.

        Its stack is cut, so that it is certain where the new board is.
        """
        return _accepted(
            installation.replace(installation.rack.slot(number), wanted.strategy, _asker())
        )

    @api.post("/rasps/swap")
    @needs(Role.OPERATOR)
    @document.change("rasps", {HTTPStatus.OK: InstallationAnswer}, sends=SwapRasps)
    def swap_rasps(wanted: SwapRasps) -> Response:
        """Exchange two rasps of a stack: nothing but people can tell which slot is whose."""
        one, other = (installation.rack.slot(number) for number in wanted.ids)
        return _sent(InstallationAnswer.of(installation.swap(one, other, _asker())), HTTPStatus.OK)

    return api


def _asker() -> Asker:
    return Asker(actor().name, origin())


def _accepted(entry: Entry) -> Response:
    response = _sent(InstallationAnswer.of(entry), HTTPStatus.ACCEPTED)
    response.headers["Location"] = url_for("installation.get_installation")
    return response


def _sent(answer: InstallationAnswer, status: HTTPStatus) -> Response:
    return Response(answer.model_dump_json(), status, content_type=JSON)
