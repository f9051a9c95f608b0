"""Charts of the history of rasps, for the pages of rasps and stacks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flask import request

from controller.pages.charts import LineChart, TimelineSegment, line_chart, state_timeline
from controller.pages.times import ClockStyle
from controller.state.build import state_label
from controller.state.history import STACK_OUTLET, TIME_RANGES, HistoryData
from controller.state.model import RaspStatus

# Title, unit, factor, minimum, maximum, rounding and decimals of each quantity.
_CHART_AXES: Mapping[str, tuple[str, str, float, float, float, float, int]] = {
    "temperature": ("Temperature", "°C", 1, 30, 60, 10, 0),
    "cpu": ("CPU", "busy cores", 1, 0, 1, 1, 1),
    "memory": ("Memory in use", "%", 100, 0, 100, 50, 0),
    "watts": ("Power", "W", 1, 0, 5, 5, 1),
}
_MEASURED_AT_OUTLETS = frozenset({"watts"})
_STATE_LABELS = {float(value): state_label(value) for value in range(5)}
_DAY_SECONDS, _MIN_SECONDS = 86400.0, 900.0

MAX_LATEST_ORDERS = 5
"""Number of orders on the page of a rasp or stack."""


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """A chart with its title, its unit and the number of decimals of its values.

    `joules` is the energy of a chart of power, or None.
    """

    title: str
    unit: str
    digits: int
    chart: LineChart
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class HistoryCharts:
    """Charts and state timelines of a page, from `start` to `end`.

    A point covers `step` seconds. `clock_style` is the style of the times on the axis.
    """

    start: float
    end: float
    step: float
    clock_style: ClockStyle
    panels: tuple[ChartPanel, ...]
    timelines: Mapping[str, tuple[TimelineSegment, ...]]


def requested_range() -> str:
    """Return the time range of the current request. Default: `1h`."""
    time_range = request.args.get("range", "1h")
    return time_range if time_range in TIME_RANGES else "1h"


def build_charts(
    history: HistoryData, rasp_names: Mapping[int, str], stack_name: str | None = None
) -> HistoryCharts:
    """Return the charts of a history. A chart of power requires measurements.

    Args:
        history: The history of rasps of a stack.
        rasp_names: Names of the rasps, keyed by slot number.
        stack_name: Name of the stack, to include the power of its shared outlet.
    """
    start, end, step = first_time(history), history.end, history.step
    panels = []
    names = dict(rasp_names) if stack_name is None else {STACK_OUTLET: stack_name, **rasp_names}
    for quantity, (title, unit, factor, minimum, maximum, rounding, digits) in _CHART_AXES.items():
        series = {
            names[slot]: [(time, value * factor) for time, value in points]
            for slot, points in sorted(history.series[quantity].items())
            if slot in names
        }
        if quantity in _MEASURED_AT_OUTLETS and not series:
            continue
        chart = line_chart(
            series,
            start=start,
            end=end,
            step=step,
            minimum=minimum,
            maximum=maximum,
            rounding=rounding,
        )
        joules = _energy(history, names) if quantity in _MEASURED_AT_OUTLETS else None
        panels.append(ChartPanel(title, unit, digits, chart, joules))
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
    clock_style: ClockStyle = "minutes" if end - start <= _DAY_SECONDS else "day"
    return HistoryCharts(start, end, step, clock_style, tuple(panels), timelines)


def first_time(history: HistoryData) -> float:
    """Return the left edge of the charts: where the data begin, but at least 15 minutes ago.

    A new rack would otherwise have its first minutes in the corner of an hour, and so would each
    longer range in its first days. The ranges stay as they were chosen when the data fill them.
    """
    first_points = [
        points[0][0] for by_slot in history.series.values() for points in by_slot.values() if points
    ]
    begin = min(first_points, default=history.start)
    shortest = (history.end - _MIN_SECONDS) // history.step * history.step
    return max(history.start, min(begin, shortest))


def _energy(history: HistoryData, names: Mapping[int, str]) -> float | None:
    """Return the energy of these slots in the time range, or None if it was not measured."""
    energy = history.series["energy"]
    points = [value for slot in names if slot in energy for _, value in energy[slot]]
    return sum(filter(math.isfinite, points)) if points else None
