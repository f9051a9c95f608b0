"""Charts of the history of rasps, for the pages of rasps and stacks."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import request

from controller.pages.charts import LineChart, TimelineSegment, line_chart, state_timeline
from controller.state.build import state_label
from controller.state.history import TIME_RANGES, HistoryData
from controller.state.model import RaspStatus

# Title, unit, factor, minimum, maximum and rounding of each quantity.
_CHART_AXES: Mapping[str, tuple[str, str, float, float, float, float]] = {
    "temperature": ("Temperature", "°C", 1, 30, 60, 10),
    "cpu": ("CPU", "busy cores", 1, 0, 1, 1),
    "memory": ("Memory in use", "%", 100, 0, 100, 50),
}
_STATE_LABELS = {float(value): state_label(value) for value in range(5)}
_DAY_SECONDS = 86400.0

MAX_LATEST_ORDERS = 5
"""Number of orders on the page of a rasp or stack."""


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """A chart with its title, its unit and the number of decimals of its values."""

    title: str
    unit: str
    digits: int
    chart: LineChart


@dataclass(frozen=True, slots=True)
class HistoryCharts:
    """Charts and state timelines of a page. `time_format` is the `strftime` format of the axis."""

    start: float
    end: float
    time_format: str
    panels: tuple[ChartPanel, ...]
    timelines: Mapping[str, tuple[TimelineSegment, ...]]


def requested_range() -> str:
    """Return the time range of the current request. Default: `1h`."""
    time_range = request.args.get("range", "1h")
    return time_range if time_range in TIME_RANGES else "1h"


def build_charts(history: HistoryData, rasp_names: Mapping[int, str]) -> HistoryCharts:
    """Return the charts of a history. `rasp_names` maps slot numbers to names."""
    start, end, step = history.start, history.end, history.step
    panels = []
    for quantity, (title, unit, factor, minimum, maximum, rounding) in _CHART_AXES.items():
        series = {
            rasp_names[slot]: [(time, value * factor) for time, value in points]
            for slot, points in sorted(history.series[quantity].items())
            if slot in rasp_names
        }
        chart = line_chart(
            series,
            start=start,
            end=end,
            step=step,
            minimum=minimum,
            maximum=maximum,
            rounding=rounding,
        )
        panels.append(ChartPanel(title, unit, 1 if quantity == "cpu" else 0, chart))
    timelines = {
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
    time_format = "%H:%M" if end - start <= _DAY_SECONDS else "%d %b %H:%M"
    return HistoryCharts(start, end, time_format, tuple(panels), timelines)
