"""What Prometheus knows of one rasp or one stack: each alias now, and how it has been of late."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from controller.state.build import STATE_SERIES
from controller.state.model import MAX_SAMPLE_AGE_SECONDS
from controller.state.prometheus import Prometheus, Sample, Series
from rack.layout import Slot, Stack

PREFIX = "pirack_"

TIME_RANGES: Mapping[str, int] = {"1h": 3600, "6h": 6 * 3600, "24h": 86400, "7d": 7 * 86400}
"""How far back a history may go, in seconds, by its name."""

_POINTS_PER_SERIES = 120  # of a line: more than a small picture can show apart

_SUCCESS, _DURATION = f"{PREFIX}alias_success", f"{PREFIX}alias_duration_seconds"
_QUANTITY = "quantity"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LabelledValue:
    """A value of an alias; `labels` are those that its command has printed, as `name=value`."""

    labels: str
    number: float


@dataclass(frozen=True, slots=True)
class AliasReading:
    """How an alias went in the last scrape: `duration_seconds` is what it took; None: nobody has read it."""

    name: str
    is_ok: bool
    duration_seconds: float | None
    values: tuple[LabelledValue, ...]


@dataclass(frozen=True, slots=True)
class AliasReadings:
    """All aliases of a rasp, by name, as they were scraped at `scraped_at` seconds since the epoch."""

    scraped_at: float | None
    aliases: tuple[AliasReading, ...]


@dataclass(frozen=True, slots=True)
class HistoryData:
    """How rasps have been from `start` to `end`, each `step` seconds.

    `series` are by quantity (`temperature`, `cpu`, `memory`, `state`), then by slot number.
    """

    start: float
    end: float
    step: float
    series: Mapping[str, Mapping[int, tuple[Point, ...]]]


class RaspHistory:
    """Asks Prometheus for more than the rack's state.

    Args:
        rack: the rack's name.
        prometheus: who knows the readings.
        clock: seconds since the epoch.
    """

    def __init__(
        self, rack: str, prometheus: Prometheus, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.rack = rack
        self._prometheus = prometheus
        self._clock = clock

    def aliases(self, slot: Slot) -> AliasReadings:
        """Return what each alias of a rasp said in the last scrape.

        Raises:
            PrometheusUnavailable: Prometheus gives no answer.
        """
        place = f'job="rasp", rack="{self.rack}", stack="{slot.stack:02}", slot="{slot.number}"'
        samples = self._prometheus.query(
            f'last_over_time({{__name__=~"{PREFIX}.+", {place}}}[{MAX_SAMPLE_AGE_SECONDS}s])'
            f' or label_replace(timestamp(up{{{place}}}), "{_QUANTITY}", "scraped", "", "")'
        )
        return group_aliases(samples)

    def query_range(self, stack: Stack, slots: Iterable[Slot], time_range: str) -> HistoryData:
        """Return how rasps of one stack have been over one of the `TIME_RANGES`.

        Raises:
            PrometheusUnavailable: Prometheus gives no answer.
        """
        step = max(TIME_RANGES[time_range] // _POINTS_PER_SERIES, 1)
        end = self._clock() // step * step  # so that all who ask meanwhile get the same
        start = end - TIME_RANGES[time_range]
        numbers = "|".join(str(slot.number) for slot in slots)
        place = f'rack="{self.rack}", stack="{stack.name}", slot=~"{numbers}"'
        window = f"{max(30, 2 * step)}s"
        quantities = {
            "temperature": f"{PREFIX}cpu_temperature_celsius{{{place}}}",
            "cpu": f"rate({PREFIX}cpu_busy_seconds_total{{{place}}}[{window}])",
            "memory": (
                f"1 - {PREFIX}memory_available_bytes{{{place}}}"
                f" / {PREFIX}memory_total_bytes{{{place}}}"
            ),
            "state": f"{STATE_SERIES}{{{place}}}",
        }
        found = self._prometheus.query_range(
            " or ".join(
                f'max by (slot, {_QUANTITY}) (label_replace({wanted}, "{_QUANTITY}", "{name}", "",'
                ' ""))'
                for name, wanted in quantities.items()
            ),
            start=start,
            end=end,
            step=step,
        )
        return HistoryData(start, end, step, group_series(found, quantities))


def group_aliases(samples: Iterable[Sample]) -> AliasReadings:
    """Return the aliases that the samples of one rasp tell of."""
    at: float | None = None
    is_ok: dict[str, bool] = {}
    seconds: dict[str, float] = {}
    values: dict[str, list[LabelledValue]] = {}
    for sample in samples:
        alias = sample.labels.get("alias", "")
        if _QUANTITY in sample.labels:
            at = sample.value
        elif sample.name == _SUCCESS:
            is_ok[alias] = bool(sample.value)
        elif sample.name == _DURATION:
            seconds[alias] = sample.value
        else:
            name = sample.name.removeprefix(PREFIX)
            values.setdefault(name, []).append(
                LabelledValue(_format_alias_labels(sample.labels), sample.value)
            )
    return AliasReadings(
        at,
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
    """Return the points of each quantity, by slot number."""
    tracks: dict[str, dict[int, tuple[Point, ...]]] = {name: {} for name in quantities}
    for each in series:
        slot = each.labels.get("slot", "")
        track = tracks.get(each.labels.get(_QUANTITY, ""))
        if track is not None and slot.isdecimal():
            track[int(slot)] = each.points
    return tracks


_TARGET_LABELS = frozenset({"__name__", "instance", "job", "rack", "stack", "slot", "rasp"})


def _format_alias_labels(labels: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name}={labels[name]}" for name in sorted(labels) if name not in _TARGET_LABELS
    )
