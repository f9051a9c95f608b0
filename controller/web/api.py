"""API routes of rasps, stacks, rack, master, audit log and OpenAPI document."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response
from pydantic import TypeAdapter

from controller import API_PREFIX
from controller.audit import Audit
from controller.auth.access_control import requires_role
from controller.auth.roles import Role
from controller.master.info import MasterState
from controller.state.issues import AlertList
from controller.state.model import RackState
from controller.state.search import filter_rasps
from controller.web.models import ApiModel
from controller.web.openapi import OpenApiDocument
from controller.web.paging import page_response
from controller.web.rack_schemas import MasterResponse, RackResponse
from controller.web.rasp_schemas import RaspResponse, StackResponse
from controller.web.responses import conditional_response
from controller.web.schemas import (
    AuditEventResponse,
    AuditQuery,
    DocumentResponse,
    RackQuery,
    RaspsQuery,
)
from rack.targets import resolve_slot, search_text

RASP_PATH_PARAMS = {"rasp": "Id, name, host name or place of the rasp."}

_JSON_TYPE = "application/json"

_ANY_ADAPTER: TypeAdapter[Any] = TypeAdapter(Any)


def blueprint(
    document: OpenApiDocument,
    state: Callable[[], RackState],
    state_at: Callable[[float | None], RackState],
    alerts: Callable[[], AlertList],
    past_alerts: Callable[[float], AlertList],
    master: Callable[[], MasterState],
    audit: Audit,
) -> Blueprint:
    """Return the routes, and declare them in the OpenAPI document.

    The other functions are called for each request. The time None is now.
    """
    api = Blueprint("api", __name__, url_prefix=API_PREFIX)

    @api.get("/rasps")
    @document.read_endpoint("rasps", list[RaspResponse], query_model=RaspsQuery)
    def list_rasps(query: RaspsQuery) -> Response:
        """List the rasps in order of their ids.

        A rasp must match all given filters.
        """
        current = state_at(query.at)
        if query.stack is not None:
            current.rack.stack(query.stack)
        rasps = filter_rasps(current.rasps, stack=query.stack, state=query.state, text=query.q)
        return json_response([RaspResponse.of(rasp) for rasp in rasps])

    @api.get("/rasps/<rasp:rasp>")
    @document.read_endpoint("rasps", RaspResponse, path_params=RASP_PATH_PARAMS)
    def get_rasp(rasp: str) -> Response:
        """Return the state of a rasp."""
        current = state()
        slot = resolve_slot(current.rack, rasp)
        return json_response(RaspResponse.of(current.rasps[slot.id - 1]))

    @api.get("/stacks")
    @document.read_endpoint("stacks", list[StackResponse])
    def list_stacks() -> Response:
        """List the stacks with their rasps."""
        return json_response([StackResponse.of(stack) for stack in state().stacks])

    @api.get("/stacks/<int:number>")
    @document.read_endpoint("stacks", StackResponse, path_params={"number": "Number of the stack."})
    def get_stack(number: int) -> Response:
        """Return the state of a stack and its rasps."""
        current = state()
        stack = current.rack.stack(number)
        return json_response(StackResponse.of(current.stacks[stack.number - 1]))

    @api.get("/rack")
    @document.read_endpoint("rack", RackResponse, query_model=RackQuery)
    def get_rack(query: RackQuery) -> Response:
        """Return a summary of the rack and its issues."""
        rack_state = state_at(query.at)
        alert_list = alerts() if query.at is None else past_alerts(query.at)
        return json_response(RackResponse.of(rack_state, alert_list))

    @api.get("/master")
    @document.read_endpoint("master", MasterResponse)
    def get_master() -> Response:
        """Return the state of the master and its services."""
        return json_response(MasterResponse.of(master()))

    @api.get("/audit")
    @requires_role(Role.OPERATOR)
    @document.read_endpoint(
        "audit",
        list[AuditEventResponse],
        query_model=AuditQuery,
        extra_statuses=[HTTPStatus.FORBIDDEN],
    )
    def list_events(query: AuditQuery) -> Response:
        """List the newest audit events: orders, logins, changes to users, rejected requests."""
        text = search_text(state().rack, query.q or "")
        records = audit.list_recent(query.limit + 1, before=query.before, text=text)
        return page_response(map(AuditEventResponse.of, records), query.limit)

    @api.get("/openapi.json")
    @document.read_endpoint("document", DocumentResponse)
    def get_document() -> Response:
        """Return the OpenAPI 3.1 document of the API."""
        return conditional_response(document.to_json(), _JSON_TYPE)

    return api


def write_response(body: ApiModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return the response to a POST or DELETE request as JSON, without an ETag."""
    return Response(body.model_dump_json(), status, content_type=_JSON_TYPE)


def json_response(content: Any) -> Response:
    """Return a model or a list of models as JSON, or 304 if the client has the same body."""
    return conditional_response(_ANY_ADAPTER.dump_json(content), _JSON_TYPE)
