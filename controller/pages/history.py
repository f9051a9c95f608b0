"""The charts of rasps' and stacks' pages."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import request

from controller.charts import LineChart, Stretch, line_chart, strip
from controller.decide import word_of
from controller.records import SPANS, History
from controller.state import State

_SCALES: Mapping[str, tuple[str, str, float, float, float, float]] = {
    # title, unit, factor, where the scale begins, ends, and the grid that it keeps to
    "temperature": ("Temperature", "°C", 1, 30, 60, 10),
    "cpu": ("CPU", "cores busy", 1, 0, 1, 1),
    "memory": ("Memory in use", "%", 100, 0, 100, 50),
}

_DAY = 86400.0

LATEST_ORDERS = 5
"""So many orders are shown beside a history; the others are a search away."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with its words."""

    title: str
    unit: str
    digits: int
    chart: LineChart


@dataclass(frozen=True, slots=True)
class Charts:
    """All charts of a page, and the strips of each rasp's states by name.

    `format` is how their times are written.
    """

    start: float
    end: float
    format: str
    panels: tuple[Panel, ...]
    strips: Mapping[str, tuple[Stretch, ...]]


def wanted_span() -> str:
    """Return how far back the request wants to look."""
    span = request.args.get("span", "1h")
    return span if span in SPANS else "1h"


def charts(history: History, names: Mapping[int, str]) -> Charts:
    """Return the charts of a history; `names` are its rasps', by slot number."""
    start, end, step = history.start, history.end, history.step
    panels = []
    for quantity, (title, unit, factor, low, high, grid) in _SCALES.items():
        tracks = {
            names[slot]: [(at, value * factor) for at, value in points]
            for slot, points in sorted(history.tracks[quantity].items())
            if slot in names
        }
        chart = line_chart(tracks, start=start, end=end, step=step, low=low, high=high, grid=grid)
        panels.append(Panel(title, unit, 1 if quantity == "cpu" else 0, chart))
    strips = {
        name: strip(
            history.tracks["state"].get(slot, ()),
            _WORDS,
            start=start,
            end=end,
            step=step,
            unknown=State.UNKNOWN,
        )
        for slot, name in names.items()
    }
    format_ = "%H:%M" if end - start <= _DAY else "%d %b %H:%M"
    return Charts(start, end, format_, tuple(panels), strips)


_WORDS = {float(number): word_of(number) for number in range(5)}
