"""The API for programs: `/api/v1.0`."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response
from pydantic import TypeAdapter

from controller.access import needs
from controller.audit import Audit
from controller.conditional import conditional
from controller.openapi import PREFIX, Document
from controller.roles import Role
from controller.schemas import (
    AuditQuery,
    DocumentAnswer,
    EventAnswer,
    MasterAnswer,
    RackAnswer,
    RaspAnswer,
    RaspsQuery,
    StackAnswer,
)
from controller.state import RackState, RaspState

JSON = "application/json"

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def blueprint(
    document: Document,
    state: Callable[[], RackState],
    master: Callable[[], MasterAnswer],
    audit: Audit,
) -> Blueprint:
    """Return the API's routes that tell of the rack; `state` and `master` are asked each time.

    The routes are declared in `document`, which is one of them.
    """
    api = Blueprint("api", __name__, url_prefix=PREFIX)

    @api.get("/rasps")
    @document.operation("rasps", list[RaspAnswer], takes=RaspsQuery)
    def list_rasps(wanted: RaspsQuery) -> Response:
        """List the rasps in order of their ids.

        Filters narrow the list; all that are given must hold.
        """
        now = state()
        if wanted.stack is not None:
            now.rack.stack(wanted.stack)
        return as_json([RaspAnswer.of(rasp) for rasp in select(now.rasps, wanted)])

    @api.get("/rasps/<int:number>")
    @document.operation("rasps", RaspAnswer, finds={"number": "The rasp's id."})
    def get_rasp(number: int) -> Response:
        """Tell how one rasp is."""
        now = state()
        slot = now.rack.slot(number)
        return as_json(RaspAnswer.of(now.rasps[slot.id - 1]))

    @api.get("/stacks")
    @document.operation("stacks", list[StackAnswer])
    def list_stacks() -> Response:
        """List the stacks, each with its rasps."""
        return as_json([StackAnswer.of(stack) for stack in state().stacks])

    @api.get("/stacks/<int:number>")
    @document.operation("stacks", StackAnswer, finds={"number": "The stack's number."})
    def get_stack(number: int) -> Response:
        """Tell how one stack and its rasps are."""
        now = state()
        return as_json(StackAnswer.of(now.stacks[now.rack.stack(number).number - 1]))

    @api.get("/rack")
    @document.operation("rack", RackAnswer)
    def get_rack() -> Response:
        """Tell how the rack is as a whole, and what needs care."""
        return as_json(RackAnswer.of(state()))

    @api.get("/master")
    @document.operation("master", MasterAnswer)
    def get_master() -> Response:
        """Tell how the master and its services are."""
        return as_json(master())

    @api.get("/audit")
    @needs(Role.OPERATOR)
    @document.operation(
        "audit", list[EventAnswer], takes=AuditQuery, refuses=[HTTPStatus.FORBIDDEN]
    )
    def list_events(wanted: AuditQuery) -> Response:
        """List the newest events of the audit: orders, log-ins, changes of users, refusals."""
        found = audit.newest(wanted.limit, before=wanted.before, text=wanted.q or "")
        return as_json([EventAnswer.of(entry) for entry in found])

    @api.get("/openapi.json")
    @document.operation("document", DocumentAnswer)
    def get_document() -> Response:
        """Describe the API, as OpenAPI 3.1."""
        return conditional(document.read(), JSON)

    return api


def select(rasps: Iterable[RaspState], wanted: RaspsQuery) -> list[RaspState]:
    """Return the rasps that fit a query."""
    return [
        rasp
        for rasp in rasps
        if wanted.stack in {None, rasp.slot.stack}
        and wanted.state in {None, rasp.state}
        and (wanted.q is None or _is_named(rasp, wanted.q.strip().lower()))
    ]


def _is_named(rasp: RaspState, part: str) -> bool:
    if part.isdecimal():  # nearly every address has some "10" in it
        return part == str(rasp.slot.id)
    names = [rasp.slot.name, rasp.slot.host_name, f"{rasp.slot.stack}/{rasp.slot.number}"]
    if rasp.rasp:
        names += [rasp.rasp.mac, str(rasp.rasp.address)]
    return any(part in name for name in names)


def as_json(answer: Any) -> Response:
    """Return a model, or a list of models, as JSON; 304 where the client has just that."""
    return conditional(_ANY.dump_json(answer), JSON)
