"""The rack as it stands in the room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, request

from controller.pages import formatting
from controller.state.model import RackState, RaspStatus
from controller.web.responses import conditional_response, render_page


@dataclass(frozen=True, slots=True)
class ColorMode:
    """By what the rasps are coloured: its word, and where each band of its scale begins."""

    label: str
    legend: tuple[str, ...] = ()
    unit: str = ""


_COLOR_MODES: Mapping[str, ColorMode] = {
    "temperature": ColorMode("Temperature", tuple(formatting.temperature_legend()), "°C"),
    "cpu": ColorMode("CPU", tuple(formatting.cpu_legend()), "cores busy"),
    "memory": ColorMode("Memory", tuple(formatting.ratio_legend()), "% in use"),
    "power": ColorMode("Power"),
}


def blueprint(state: Callable[[], RackState]) -> Blueprint:
    """Return the rack page; `state` is asked at each request."""
    pages = Blueprint("rack", __name__)

    @pages.get("/")
    def show() -> Response:
        by = request.args.get("by", "temperature")
        if by not in _COLOR_MODES:
            by = "temperature"
        return render_page("rack.html", now=state(), State=RaspStatus, views=_COLOR_MODES, by=by)

    @pages.get("/layout.css")
    def layout() -> Response:
        # Where a stack stands is rack.toml's word, and the pages allow no inline style.
        rules = (
            f".stack-{stack.stack.number}{{grid-area:{stack.stack.y + 1}/{stack.stack.x + 1}}}"
            for stack in state().stacks
        )
        return conditional_response("\n".join(rules), "text/css; charset=utf-8")

    return pages
