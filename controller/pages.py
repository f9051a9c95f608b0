"""The pages for people."""

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Blueprint, Response, render_template

from controller.conditional import conditional
from controller.state import RackState, State

_HTML = "text/html; charset=utf-8"
_COLDEST, _DEGREES_A_BAND, _BANDS = 30, 5, 10


def blueprint(state: Callable[[], RackState]) -> Blueprint:
    """Return the pages' routes; `state` is asked at each request."""
    pages = Blueprint("pages", __name__)
    pages.add_app_template_filter(band)
    pages.add_app_template_filter(moment)

    @pages.get("/")
    def rack() -> Response:
        now = state()
        return conditional(
            render_template("rack.html", now=now, State=State, bands=_legend()), _HTML
        )

    @pages.get("/rasps/<int:number>")
    def rasp(number: int) -> Response:
        now = state()
        slot = now.rack.slot(number)
        return conditional(
            render_template("rasp.html", now=now, rasp=now.rasps[slot.id - 1]), _HTML
        )

    @pages.get("/api/docs")
    def api() -> Response:
        return conditional(render_template("api.html"), _HTML)

    @pages.get("/layout.css")
    def layout() -> Response:
        # Where a stack stands is rack.toml's word, and the pages allow no inline style.
        rules = (
            f".stack-{stack.stack.number}{{grid-area:{stack.stack.y + 1}/{stack.stack.x + 1}}}"
            for stack in state().stacks
        )
        return conditional("\n".join(rules), "text/css; charset=utf-8")

    return pages


def band(celsius: float) -> int:
    """Return a temperature's band on the scale: 0 (below 35 °C) to 9 (from 75 °C), as shown."""
    return min(max((round(celsius) - _COLDEST) // _DEGREES_A_BAND, 0), _BANDS - 1)


def moment(seconds: float) -> datetime:
    """Return a time given in seconds since the epoch, to the second, in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC)


def _legend() -> list[int]:
    """Return the °C at which each band begins."""
    return [_COLDEST + i * _DEGREES_A_BAND for i in range(_BANDS)]
