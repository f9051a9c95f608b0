"""The rack as it stands in the room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, request

from controller.conditional import conditional, page
from controller.pages import words
from controller.state import RackState, State


@dataclass(frozen=True, slots=True)
class View:
    """By what the rasps are coloured: its word, and where each band of its scale begins."""

    label: str
    legend: tuple[str, ...] = ()
    unit: str = ""


_VIEWS: Mapping[str, View] = {
    "temperature": View("Temperature", tuple(words.temperature_legend()), "°C"),
    "cpu": View("CPU", tuple(words.busy_legend()), "cores busy"),
    "memory": View("Memory", tuple(words.share_legend()), "% in use"),
    "power": View("Power"),
}


def blueprint(state: Callable[[], RackState]) -> Blueprint:
    """Return the rack page; `state` is asked at each request."""
    pages = Blueprint("rack", __name__)

    @pages.get("/")
    def show() -> Response:
        by = request.args.get("by", "temperature")
        if by not in _VIEWS:
            by = "temperature"
        return page("rack.html", now=state(), State=State, views=_VIEWS, by=by)

    @pages.get("/layout.css")
    def layout() -> Response:
        # Where a stack stands is rack.toml's word, and the pages allow no inline style.
        rules = (
            f".stack-{stack.stack.number}{{grid-area:{stack.stack.y + 1}/{stack.stack.x + 1}}}"
            for stack in state().stacks
        )
        return conditional("\n".join(rules), "text/css; charset=utf-8")

    return pages
