"""The API for programs: `/api/v1.0`."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response
from pydantic import TypeAdapter

from controller.audit import Audit
from controller.auth.access_control import requires_role
from controller.auth.roles import Role
from controller.state.model import RackState, RaspState
from controller.web.openapi import API_PREFIX, OpenApiDocument
from controller.web.responses import conditional_response
from controller.web.schemas import (
    AuditEventResponse,
    AuditQuery,
    DocumentResponse,
    MasterResponse,
    RackResponse,
    RaspResponse,
    RaspsQuery,
    StackResponse,
)

JSON_TYPE = "application/json"

_ANY_ADAPTER: TypeAdapter[Any] = TypeAdapter(Any)


def blueprint(
    document: OpenApiDocument,
    state: Callable[[], RackState],
    master: Callable[[], MasterResponse],
    audit: Audit,
) -> Blueprint:
    """Return the API's routes that tell of the rack; `state` and `master` are asked each time.

    The routes are declared in `document`, which is one of them.
    """
    api = Blueprint("api", __name__, url_prefix=API_PREFIX)

    @api.get("/rasps")
    @document.read_endpoint("rasps", list[RaspResponse], query_model=RaspsQuery)
    def list_rasps(wanted: RaspsQuery) -> Response:
        """List the rasps in order of their ids.

        Filters narrow the list; all that are given must hold.
        """
        now = state()
        if wanted.stack is not None:
            now.rack.stack(wanted.stack)
        return json_response([RaspResponse.of(rasp) for rasp in filter_rasps(now.rasps, wanted)])

    @api.get("/rasps/<int:number>")
    @document.read_endpoint("rasps", RaspResponse, path_params={"number": "The rasp's id."})
    def get_rasp(number: int) -> Response:
        """Tell how one rasp is."""
        now = state()
        slot = now.rack.slot(number)
        return json_response(RaspResponse.of(now.rasps[slot.id - 1]))

    @api.get("/stacks")
    @document.read_endpoint("stacks", list[StackResponse])
    def list_stacks() -> Response:
        """List the stacks, each with its rasps."""
        return json_response([StackResponse.of(stack) for stack in state().stacks])

    @api.get("/stacks/<int:number>")
    @document.read_endpoint("stacks", StackResponse, path_params={"number": "The stack's number."})
    def get_stack(number: int) -> Response:
        """Tell how one stack and its rasps are."""
        now = state()
        return json_response(StackResponse.of(now.stacks[now.rack.stack(number).number - 1]))

    @api.get("/rack")
    @document.read_endpoint("rack", RackResponse)
    def get_rack() -> Response:
        """Tell how the rack is as a whole, and what needs care."""
        return json_response(RackResponse.of(state()))

    @api.get("/master")
    @document.read_endpoint("master", MasterResponse)
    def get_master() -> Response:
        """Tell how the master and its services are."""
        return json_response(master())

    @api.get("/audit")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        "audit",
        list[AuditEventResponse],
        query_model=AuditQuery,
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def list_events(wanted: AuditQuery) -> Response:
        """List the newest events of the audit: orders, log-ins, changes of users, refusals."""
        found = audit.list_recent(wanted.limit, before=wanted.before, text=wanted.q or "")
        return json_response([AuditEventResponse.of(entry) for entry in found])

    @api.get("/openapi.json")
    @document.read_endpoint("document", DocumentResponse)
    def get_document() -> Response:
        """Describe the API, as OpenAPI 3.1."""
        return conditional_response(document.to_json(), JSON_TYPE)

    return api


def filter_rasps(rasps: Iterable[RaspState], query: RaspsQuery) -> list[RaspState]:
    """Return the rasps that fit a query."""
    return [
        rasp
        for rasp in rasps
        if query.stack in {None, rasp.slot.stack}
        and query.state in {None, rasp.state}
        and (query.q is None or _matches_text(rasp, query.q.strip().lower()))
    ]


def _matches_text(rasp: RaspState, text: str) -> bool:
    if text.isdecimal():  # nearly every address has some "10" in it
        return text == str(rasp.slot.id)
    names = [rasp.slot.name, rasp.slot.host_name, f"{rasp.slot.stack}/{rasp.slot.number}"]
    if rasp.rasp:
        names += [rasp.rasp.mac, str(rasp.rasp.address)]
    return any(text in name for name in names)


def json_response(content: Any) -> Response:
    """Return a model, or a list of models, as JSON; 304 where the client has just that."""
    return conditional_response(_ANY_ADAPTER.dump_json(content), JSON_TYPE)
