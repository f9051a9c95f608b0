"""The rack as it stands in the room."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, request

from controller.pages import formatting
from controller.pages.reservation_calendar import read_calendar
from controller.reservations.service import ReservationService
from controller.state.model import RackState, RaspStatus
from controller.web.responses import conditional_response, render_page


@dataclass(frozen=True, slots=True)
class ColorMode:
    """A value that determines the colors of the rasps, and the lower limits of its bands."""

    label: str
    legend: tuple[str, ...] = ()
    unit: str = ""


_MAX_ISSUES = 10
"""Maximum number of issues next to the rack. The page of alerts shows all."""

_COLOR_MODES: Mapping[str, ColorMode] = {
    "temperature": ColorMode("Temperature", tuple(formatting.temperature_legend()), "°C"),
    "cpu": ColorMode("CPU", tuple(formatting.cpu_legend()), "busy cores"),
    "memory": ColorMode("Memory", tuple(formatting.ratio_legend()), "% in use"),
    "power": ColorMode("Power"),
    "watts": ColorMode("Watts", tuple(formatting.watts_legend()), "W"),
}


def blueprint(read_state: Callable[[], RackState], reservations: ReservationService) -> Blueprint:
    """Return the rack page and its style sheet."""
    pages = Blueprint("rack", __name__)

    @pages.get("/")
    def show() -> Response:
        rack_state = read_state()
        modes = _COLOR_MODES
        if all(rasp.watts is None for rasp in rack_state.rasps):
            modes = {name: mode for name, mode in modes.items() if name != "watts"}
        color = request.args.get("color", "temperature")
        if color not in modes:
            color = "temperature"
        return render_page(
            "rack.html",
            rack_state=rack_state,
            RaspStatus=RaspStatus,
            color_modes=modes,
            color=color,
            max_issues=_MAX_ISSUES,
            holders=reservations.holders(),
            calendar=read_calendar(reservations, time.time()),
        )

    @pages.get("/layout.css")
    def layout_css() -> Response:
        """Return the positions of the stacks. The security policy forbids inline styles."""
        rules = (
            f".stack-{stack.stack.number}{{grid-area:{stack.stack.y + 1}/{stack.stack.x + 1}}}"
            for stack in read_state().stacks
        )
        return conditional_response("\n".join(rules), "text/css; charset=utf-8")

    return pages
