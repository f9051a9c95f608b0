"""The API for programs: `/api/v1.0`."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, request
from pydantic import TypeAdapter

from controller.conditional import conditional
from controller.problems import query
from controller.schemas import (
    MasterAnswer,
    NoQuery,
    RackAnswer,
    RaspAnswer,
    RaspsQuery,
    StackAnswer,
)
from controller.state import RackState, RaspState

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def blueprint(state: Callable[[], RackState], master: Callable[[], MasterAnswer]) -> Blueprint:
    """Return the API's routes; `state` and `master` are asked at each request."""
    api = Blueprint("api", __name__, url_prefix="/api/v1.0")

    @api.get("/rasps")
    def rasps() -> Response:
        wanted, now = query(RaspsQuery), state()
        if wanted.stack is not None:
            now.rack.stack(wanted.stack)
        return _json([RaspAnswer.of(rasp) for rasp in select(now.rasps, wanted)])

    @api.get("/rasps/<int:number>")
    def rasp(number: int) -> Response:
        now = state()
        slot = now.rack.slot(number)
        return _json(RaspAnswer.of(now.rasps[slot.id - 1]))

    @api.get("/stacks")
    def stacks() -> Response:
        return _json([StackAnswer.of(stack) for stack in state().stacks])

    @api.get("/stacks/<int:number>")
    def stack(number: int) -> Response:
        now = state()
        return _json(StackAnswer.of(now.stacks[now.rack.stack(number).number - 1]))

    @api.get("/rack")
    def rack() -> Response:
        return _json(RackAnswer.of(state()))

    @api.get("/master")
    def master_now() -> Response:
        return _json(master())

    @api.before_request
    def refuse_fields() -> None:
        if request.endpoint != "api.rasps":
            query(NoQuery)

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


def _json(answer: Any) -> Response:
    return conditional(_ANY.dump_json(answer), "application/json")
