"""Lanes: for each stack, its worst state or its highest temperature at each step of a time range.

A step covers everything that happened since the previous step, so that a short fault is visible
also in a long time range.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from controller.cache import KeyedCache
from controller.state.build import STATE_SERIES
from controller.state.history import POINTS_PER_SERIES, TIME_RANGES, Point
from controller.state.model import MAX_SAMPLE_AGE_SECONDS
from controller.state.prometheus import Prometheus, Series
from rack.layout import Rack

_QUANTITY = "quantity"
_DOWN, _OFF, _KNOWN, _PINGED, _CELSIUS = "down", "off", "known", "pinged", "celsius"
_MAX_CACHED = 16


class LaneState(StrEnum):
    """State of a stack during a step.

    `partly down`: some rasps were down. `off` and `down`: all rasps were. `unknown`: the state of a
    rasp was not recorded.
    """

    UP = "up"
    PARTLY_DOWN = "partly down"
    DOWN = "down"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LaneStep:
    """A stack during a step. `celsius` is its highest temperature if it is up and measured."""

    state: LaneState
    celsius: float | None = None


_UNKNOWN = LaneStep(LaneState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Steps from `start` to `end`, in seconds since the epoch. Both are multiples of `step`."""

    start: int
    end: int
    step: int

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return self.end - self.start

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.seconds // self.step


@dataclass(frozen=True, slots=True)
class Lanes:
    """The steps of each stack in a window, keyed by the name of the stack."""

    window: TimeWindow
    steps: Mapping[str, tuple[LaneStep, ...]]


def window_around(time_range: str, moment: float | None, now: float) -> TimeWindow:
    """Return the window of a time range: until now, or around a moment that is earlier.

    Args:
        time_range: One of the `TIME_RANGES`.
        moment: Seconds since the epoch, or None for now.
        now: Seconds since the epoch.
    """
    seconds = TIME_RANGES[time_range]
    step = max(seconds // POINTS_PER_SERIES, 1)
    last = now
    if moment is not None and moment < now - seconds:
        last = moment + seconds / 2
    end = int(last // step) * step
    return TimeWindow(end - seconds // step * step, end, step)


def lanes_query(rack: Rack, step: int) -> str:
    """Return the PromQL expression for all series that `build_steps` needs."""
    of_rack, window = f'rack="{rack.name}"', f"[{max(step, MAX_SAMPLE_AGE_SECONDS)}s]"
    states = f"{STATE_SERIES}{{{of_rack}}}{window}"
    # After power off, the state is `down` until Prometheus has scraped the commanded power.
    was_off = f"max_over_time({states}) == 4"
    counts = {
        _DOWN: f"(min_over_time({states}) == 0) unless ({was_off})",
        _OFF: was_off,
        _KNOWN: f"last_over_time({states})",
        _PINGED: f'last_over_time(probe_success{{job="ping", {of_rack}}}{window})',
    }
    temperatures = f'pirack_cpu_temperature_celsius{{job="rasp", {of_rack}}}{window}'
    aggregates = {name: f"count by (stack) ({counted})" for name, counted in counts.items()}
    aggregates[_CELSIUS] = f"max by (stack) (max_over_time({temperatures}))"
    return " or ".join(
        f'label_replace({aggregate}, "{_QUANTITY}", "{name}", "", "")'
        for name, aggregate in aggregates.items()
    )


def build_steps(
    rack: Rack, series: Iterable[Series], window: TimeWindow
) -> dict[str, tuple[LaneStep, ...]]:
    """Return the steps of each stack.

    Args:
        rack: Layout of the rack.
        series: Result of `lanes_query`. A point covers the step that ends at its time.
        window: The window of the query.
    """
    points: dict[tuple[str, str], Mapping[int, float]] = {
        (each.labels.get("stack", ""), each.labels.get(_QUANTITY, "")): _by_step(
            each.points, window
        )
        for each in series
    }

    def step(stack: str, number: int) -> LaneStep:
        return _step(
            {
                quantity: values[number]
                for quantity in (_DOWN, _OFF, _KNOWN, _PINGED, _CELSIUS)
                if number in (values := points.get((stack, quantity), {}))
            }
        )

    return {
        stack.name: tuple(step(stack.name, number) for number in range(window.steps))
        for stack in rack.stacks
    }


def _by_step(points: Iterable[Point], window: TimeWindow) -> dict[int, float]:
    return {round((at - window.start) / window.step) - 1: value for at, value in points}


def _step(values: Mapping[str, float]) -> LaneStep:
    known = values.get(_KNOWN, 0)
    if not known:
        return _UNKNOWN
    down, off = values.get(_DOWN, 0), values.get(_OFF, 0)
    if down:
        return LaneStep(LaneState.DOWN if down == known else LaneState.PARTLY_DOWN)
    if known < values.get(_PINGED, 0):
        return _UNKNOWN
    if off == known:
        return LaneStep(LaneState.OFF)
    return LaneStep(LaneState.UP, values.get(_CELSIUS))


class LaneReader:
    """Reader of lanes. Each window is read once.

    Args:
        rack: Layout of the rack.
        prometheus: Client of the Prometheus that scrapes the rack.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self, rack: Rack, prometheus: Prometheus, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._rack = rack
        self._prometheus = prometheus
        self._clock = clock
        self._cache = KeyedCache(self._load, max_size=_MAX_CACHED)

    def window(self, time_range: str, moment: float | None) -> TimeWindow:
        """Return the present window of a time range. See `window_around`."""
        return window_around(time_range, moment, self._clock())

    def read(self, window: TimeWindow) -> Lanes:
        """Return the lanes of a window.

        Raises:
            PrometheusUnavailableError: If Prometheus does not return a valid response.
        """
        return self._cache.get(window)

    def _load(self, window: TimeWindow) -> Lanes:
        series = self._prometheus.query_range(
            lanes_query(self._rack, window.step),
            start=window.start + window.step,
            end=window.end,
            step=window.step,
        )
        return Lanes(window, build_steps(self._rack, series, window))
