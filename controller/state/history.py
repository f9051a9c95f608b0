"""Read current alias values and history of a rasp or stack from Prometheus."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from controller.state.build import STATE_SERIES, state_label
from controller.state.changes import RecordedChanges, read_changes, read_last_state_change
from controller.state.model import MAX_SAMPLE_AGE_SECONDS, RaspState
from controller.state.prometheus import Prometheus, Sample, Series
from exporter.aliases import METRIC_PREFIX
from rack.layout import Slot, Stack

TIME_RANGES: Mapping[str, int] = {
    "15m": 900,
    "1h": 3600,
    "6h": 6 * 3600,
    "24h": 86400,
    "7d": 7 * 86400,
}
"""Seconds of history for each time range."""

POINTS_PER_SERIES = 120
"""Number of steps of a time range. More points are not visible in a small chart."""

_SUCCESS, _DURATION = f"{METRIC_PREFIX}alias_success", f"{METRIC_PREFIX}alias_duration_seconds"
_QUANTITY = "quantity"

STACK_OUTLET = 0
"""Number of the outlet of a whole stack in a history. Slots have the numbers from 1."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LabelledValue:
    """A value of an alias. `labels` are the labels that its command printed."""

    labels: str
    number: float


@dataclass(frozen=True, slots=True)
class AliasReading:
    """Result of an alias in the last scrape. An unknown duration is None."""

    name: str
    is_ok: bool
    duration_seconds: float | None
    values: tuple[LabelledValue, ...]


@dataclass(frozen=True, slots=True)
class AliasReadings:
    """All aliases of a rasp, sorted by name. `scraped_at` is in seconds since the epoch."""

    scraped_at: float | None
    aliases: tuple[AliasReading, ...]


@dataclass(frozen=True, slots=True)
class HistoryData:
    """History of rasps from `start` to `end`, every `step` seconds.

    `series` maps a quantity (`temperature`, `cpu`, `memory`, `state`, `watts`, `energy`) to points
    for each slot number. The outlet of a whole stack has the number `STACK_OUTLET`. A point of
    `energy` is the energy of its step in joules.
    """

    start: float
    end: float
    step: float
    series: Mapping[str, Mapping[int, tuple[Point, ...]]]


class RaspHistory:
    """Reader of alias values and history.

    Args:
        rack: Name of the rack.
        prometheus: Client of the Prometheus that scrapes the rack.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self, rack: str, prometheus: Prometheus, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.rack = rack
        self._prometheus = prometheus
        self._clock = clock

    @property
    def prometheus(self) -> Prometheus:
        """Client of the Prometheus that scrapes the rack."""
        return self._prometheus

    def aliases(self, slot: Slot) -> AliasReadings:
        """Return the alias values of a rasp from the last scrape.

        Raises:
            PrometheusUnavailableError: If Prometheus does not return a valid response.
        """
        matchers = (
            f'job="rasp", rack="{self.rack}", stack="{slot.stack_name}", slot="{slot.number}"'
        )
        samples = self._prometheus.query(
            f'last_over_time({{__name__=~"{METRIC_PREFIX}.+", {matchers}}}'
            f"[{MAX_SAMPLE_AGE_SECONDS}s])"
            f' or label_replace(timestamp(up{{{matchers}}}), "{_QUANTITY}", "scraped", "", "")'
        )
        return group_aliases(samples)

    def query_range(self, stack: Stack, slots: Iterable[Slot], time_range: str) -> HistoryData:
        """Return the history of rasps of one stack over one of the `TIME_RANGES`.

        Raises:
            PrometheusUnavailableError: If Prometheus does not return a valid response.
        """
        step = max(TIME_RANGES[time_range] // POINTS_PER_SERIES, 1)
        end = self._clock() // step * step  # same range for all requests within a step
        start = end - TIME_RANGES[time_range]
        numbers = "|".join(str(slot.number) for slot in slots)
        recorded = f'rack="{self.rack}", stack="{stack.name}", slot=~"{numbers}"'
        matchers = f'job="rasp", {recorded}'
        # An outlet of a whole stack has an empty label `slot`.
        outlets = f'job="controller", rack="{self.rack}", stack="{stack.name}", slot=~"|{numbers}"'
        quantities = measured_quantities(matchers, outlets, step) | {
            "state": f"{STATE_SERIES}{{{recorded}}}",
            "energy": f"increase({METRIC_PREFIX}energy_joules_total{{{outlets}}}[{step}s])",
        }
        series = self._prometheus.query_range(
            " or ".join(
                f'max by (slot, {_QUANTITY}) (label_replace({expression}, "{_QUANTITY}", "{name}",'
                ' "", ""))'
                for name, expression in quantities.items()
            ),
            start=start,
            end=end,
            step=step,
        )
        return HistoryData(start, end, step, group_series(series, quantities))

    def changes(self, start: float, end: float) -> RecordedChanges:
        """Return the recorded changes of states and alerts. See `read_changes`.

        Raises:
            PrometheusUnavailableError: If Prometheus does not return a valid response.
        """
        return read_changes(self._prometheus, self.rack, start=start, end=end)

    def state_since(self, rasp: RaspState) -> float | None:
        """Return the time since which a rasp is in its state, or None if it is not recorded.

        Raises:
            PrometheusUnavailableError: If Prometheus does not return a valid response.
        """
        now = self._clock()
        change = read_last_state_change(
            self._prometheus, self.rack, rasp.slot, start=now - TIME_RANGES["7d"], end=now
        )
        if change is None or state_label(change[1]) != rasp.state:
            return None
        return change[0]


def measured_quantities(rasps: str, outlets: str, step: int) -> dict[str, str]:
    """Return the PromQL expression of each quantity that is read at steps of a time range.

    The value of a step was read since the step before. Otherwise the step has no value.

    Args:
        rasps: Label matchers of rasps.
        outlets: Label matchers of outlets.
        step: Seconds between two steps.
    """
    window = f"[{max(step, MAX_SAMPLE_AGE_SECONDS)}s]"

    def last(metric: str, matchers: str) -> str:
        return f"last_over_time({METRIC_PREFIX}{metric}{{{matchers}}}{window})"

    return {
        "temperature": last("cpu_temperature_celsius", rasps),
        "cpu": f"rate({METRIC_PREFIX}cpu_busy_seconds_total{{{rasps}}}[{max(30, 2 * step)}s])",
        "memory": (
            f"1 - {last('memory_available_bytes', rasps)} / {last('memory_total_bytes', rasps)}"
        ),
        "watts": last("power_watts", outlets),
    }


def group_aliases(samples: Iterable[Sample]) -> AliasReadings:
    """Return the aliases in the samples of one rasp."""
    scraped_at: float | None = None
    is_ok: dict[str, bool] = {}
    seconds: dict[str, float] = {}
    values: dict[str, list[LabelledValue]] = {}
    for sample in samples:
        alias = sample.labels.get("alias", "")
        if not sample.name:
            scraped_at = sample.value
        elif sample.name == _SUCCESS:
            is_ok[alias] = bool(sample.value)
        elif sample.name == _DURATION:
            seconds[alias] = sample.value
        else:
            name = sample.name.removeprefix(METRIC_PREFIX)
            values.setdefault(name, []).append(
                LabelledValue(_format_alias_labels(sample.labels), sample.value)
            )
    return AliasReadings(
        scraped_at,
        tuple(
            AliasReading(
                name,
                is_ok[name],
                seconds.get(name),
                tuple(sorted(values.get(name, []), key=lambda value: value.labels)),
            )
            for name in sorted(is_ok)
        ),
    )


def group_series(
    series: Iterable[Series], quantities: Iterable[str]
) -> dict[str, dict[int, tuple[Point, ...]]]:
    """Return the points of each quantity for each slot number, or for `STACK_OUTLET`."""
    points: dict[str, dict[int, tuple[Point, ...]]] = {name: {} for name in quantities}
    for element in series:
        slot = element.labels.get("slot", "") or str(STACK_OUTLET)
        points_by_slot = points.get(element.labels.get(_QUANTITY, ""))
        if points_by_slot is not None and slot.isdecimal():
            points_by_slot[int(slot)] = element.points
    return points


_TARGET_LABELS = frozenset({"__name__", "instance", "job", "rack", "stack", "slot", "rasp"})


def _format_alias_labels(labels: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name}={labels[name]}" for name in sorted(labels) if name not in _TARGET_LABELS
    )
