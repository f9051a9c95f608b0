"""The rack as it stands in the room, now or at an earlier time."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from controller.pages import formatting
from controller.pages.displayed_state import DisplayedStates
from controller.pages.layout_css import layout_css
from controller.pages.marks import SHAPES, MarkReader
from controller.pages.rack_history import (
    DEFAULT_RANGE,
    percent,
    read_history,
    requested_moment,
    requested_range,
)
from controller.pages.reservation_calendar import read_calendar
from controller.pages.sparklines import Sparklines, has_sparklines, read_sparklines
from controller.pages.times import local_datetime
from controller.reservations.service import ReservationService
from controller.state.durations import coarse_duration
from controller.state.history import TIME_RANGES
from controller.state.issues import AlertList
from controller.state.lanes import LaneReader
from controller.state.model import RackState
from controller.state.moments import format_moment
from controller.state.sparklines import SparklineReader
from controller.web.page_cache import PageCache
from controller.web.responses import conditional_response


@dataclass(frozen=True, slots=True)
class ColorMode:
    """A value that determines the colors of the rasps, and the lower limits of its bands."""

    label: str
    legend: tuple[str, ...] = ()
    unit: str = ""


_MAX_ISSUES = 6
"""Maximum number of issues next to the rack. The page of alerts shows all."""

_DEFAULT_COLOR = "temperature"
_COLOR_MODES: Mapping[str, ColorMode] = {
    _DEFAULT_COLOR: ColorMode("Temperature", tuple(formatting.temperature_legend()), "°C"),
    "cpu": ColorMode("CPU", tuple(formatting.cpu_legend()), "busy cores"),
    "memory": ColorMode("Memory", tuple(formatting.ratio_legend()), "% in use"),
    "power": ColorMode("Power"),
    "watts": ColorMode("Watts", tuple(formatting.watts_legend()), "W"),
}


def blueprint(
    read_state: Callable[[], RackState],
    displayed_states: DisplayedStates,
    read_past: Callable[[float], RackState],
    read_past_alerts: Callable[[float], AlertList],
    reservations: ReservationService,
    lane_reader: LaneReader,
    mark_reader: MarkReader,
    sparkline_reader: SparklineReader,
) -> Blueprint:
    """Return the rack page, its lanes, its sparklines and its style sheet."""
    pages = Blueprint("rack", __name__)
    page_cache = PageCache()

    @pages.get("/")
    def show() -> Response:
        is_kiosk = request.args.get("kiosk") == "1"
        moment = None if is_kiosk else requested_moment()
        rack_state = read_state() if moment is None else read_past(moment)
        modes = _COLOR_MODES
        if all(rasp.watts is None for rasp in rack_state.rasps):
            modes = {name: mode for name, mode in modes.items() if name != "watts"}
        color = _requested_color(modes)
        # Updates of the page contain no menus, and no lanes and sparklines, which scripts request
        # less often.
        is_update = request.headers.get("Prefer") == "return=minimal"
        lines = None
        if moment is None and not is_update:
            lines = Sparklines() if rack_state.error else read_sparklines(sparkline_reader, color)
        context: dict[str, Any] = {
            "rack_state": displayed_states.get(rack_state, color),
            "color": color,
            "max_issues": _MAX_ISSUES,
            "has_sparklines": moment is None and has_sparklines(color),
            "sparklines": lines,
            "is_update": is_update,
        }
        if is_kiosk:
            now = None if is_update else time.time()
            response = page_cache.render_page("kiosk.html", now=now, **context)
        else:
            response = page_cache.render_page(
                "rack.html",
                color_modes=modes,
                holders=reservations.holders() if moment is None else {},
                calendar=read_calendar(reservations, time.time()) if moment is None else None,
                past_alerts=None if moment is None else read_past_alerts(moment),
                history=None if is_update else read_history(lane_reader, mark_reader),
                **context,
                **_moment_context(),
            )
        response.vary.add("Prefer")
        return response

    @pages.get("/lanes")
    def lanes() -> Response:
        """Return the lanes alone, to update them in the rack page."""
        history = read_history(lane_reader, mark_reader)
        return page_cache.render_page("rack_history.html", history=history, **_moment_context())

    @pages.get("/sparklines")
    def sparklines() -> Response:
        """Return the sparklines alone, to update them in the rack page."""
        color = _requested_color(_COLOR_MODES)
        lines = read_sparklines(sparkline_reader, color)
        return page_cache.render_page("sparklines.html", color=color, sparklines=lines)

    @pages.get("/layout.css")
    def show_layout_css() -> Response:
        """Return the positions of the stacks. The security policy forbids inline styles."""
        return conditional_response(layout_css(read_state().rack), "text/css; charset=utf-8")

    return pages


def _requested_color(modes: Collection[str]) -> str:
    """Return the color mode of the current request."""
    color = request.args.get("color", _DEFAULT_COLOR)
    return color if color in modes else _DEFAULT_COLOR


def _moment_context() -> dict[str, Any]:
    """Return the moment and the arguments of links, without those that have their defaults."""
    moment, time_range = requested_moment(), requested_range()
    color = request.args.get("color")
    return {
        "moment": moment,
        "moment_text": "" if moment is None else _format_past(moment),
        "moment_arguments": {
            "at": None if moment is None else format_moment(moment),
            "span": time_range if time_range != DEFAULT_RANGE else None,
            "color": color if color in _COLOR_MODES and color != _DEFAULT_COLOR else None,
        },
        "mark_shapes": SHAPES,
        "percent": percent,
        "time_ranges": TIME_RANGES,
        "default_range": DEFAULT_RANGE,
    }


def _format_past(moment: float) -> str:
    local = local_datetime(moment)
    age = coarse_duration(max(time.time() - moment, 0))
    return f"{local.strftime('%Y-%m-%d at %H:%M:%S %Z')}, {age} ago"
