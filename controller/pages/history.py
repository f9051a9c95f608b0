"""The charts of rasps' and stacks' pages."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import request

from controller.pages.charts import LineChart, TimelineSegment, line_chart, state_timeline
from controller.state.build import state_label
from controller.state.history import TIME_RANGES, HistoryData
from controller.state.model import RaspStatus

_CHART_AXES: Mapping[str, tuple[str, str, float, float, float, float]] = {
    # title, unit, factor, where the scale begins, ends, and the grid that it keeps to
    "temperature": ("Temperature", "°C", 1, 30, 60, 10),
    "cpu": ("CPU", "cores busy", 1, 0, 1, 1),
    "memory": ("Memory in use", "%", 100, 0, 100, 50),
}

_DAY_SECONDS = 86400.0

MAX_LATEST_ORDERS = 5
"""So many orders are shown beside a history; the others are a search away."""


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """A chart with its words."""

    title: str
    unit: str
    digits: int
    chart: LineChart


@dataclass(frozen=True, slots=True)
class HistoryCharts:
    """All charts of a page, and the strips of each rasp's states by name.

    `time_format` is how their times are written.
    """

    start: float
    end: float
    time_format: str
    panels: tuple[ChartPanel, ...]
    timelines: Mapping[str, tuple[TimelineSegment, ...]]


def requested_range() -> str:
    """Return how far back the request wants to look."""
    span = request.args.get("span", "1h")
    return span if span in TIME_RANGES else "1h"


def build_charts(history: HistoryData, rasp_names: Mapping[int, str]) -> HistoryCharts:
    """Return the charts of a history; `rasp_names` are its rasps', by slot number."""
    start, end, step = history.start, history.end, history.step
    panels = []
    for quantity, (title, unit, factor, low, high, grid) in _CHART_AXES.items():
        tracks = {
            rasp_names[slot]: [(at, value * factor) for at, value in points]
            for slot, points in sorted(history.series[quantity].items())
            if slot in rasp_names
        }
        chart = line_chart(
            tracks, start=start, end=end, step=step, minimum=low, maximum=high, rounding=grid
        )
        panels.append(ChartPanel(title, unit, 1 if quantity == "cpu" else 0, chart))
    strips = {
        name: state_timeline(
            history.series["state"].get(slot, ()),
            _STATE_LABELS,
            start=start,
            end=end,
            step=step,
            unknown=RaspStatus.UNKNOWN,
        )
        for slot, name in rasp_names.items()
    }
    format_ = "%H:%M" if end - start <= _DAY_SECONDS else "%d %b %H:%M"
    return HistoryCharts(start, end, format_, tuple(panels), strips)


_STATE_LABELS = {float(number): state_label(number) for number in range(5)}
