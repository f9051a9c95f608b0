"""What Prometheus knows of one rasp or one stack: each alias now, and how it has been of late."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from controller.decide import STATE_SERIES
from controller.prometheus import Prometheus, Sample, Series
from controller.state import NOT_OLDER_THAN_SECONDS
from rack.layout import Slot, Stack

PREFIX = "pirack_"

SPANS: Mapping[str, int] = {"1h": 3600, "6h": 6 * 3600, "24h": 86400, "7d": 7 * 86400}
"""How far back a history may go, in seconds, by its name."""

_POINTS = 120  # of a line: more than a small picture can show apart

_SUCCESS, _DURATION = f"{PREFIX}alias_success", f"{PREFIX}alias_duration_seconds"
_QUANTITY = "quantity"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an alias; `labels` are those that its command has printed, as `name=value`."""

    labels: str
    number: float


@dataclass(frozen=True, slots=True)
class AliasReading:
    """How an alias went in the last scrape: `seconds` is what it took; None: nobody has read it."""

    name: str
    is_ok: bool
    seconds: float | None
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AliasReadings:
    """All aliases of a rasp, by name, as they were scraped at `at` seconds since the epoch."""

    at: float | None
    aliases: tuple[AliasReading, ...]


@dataclass(frozen=True, slots=True)
class History:
    """How rasps have been from `start` to `end`, each `step` seconds.

    `tracks` are by quantity (`temperature`, `cpu`, `memory`, `state`), then by slot number.
    """

    start: float
    end: float
    step: float
    tracks: Mapping[str, Mapping[int, tuple[Point, ...]]]


class Records:
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
            f'last_over_time({{__name__=~"{PREFIX}.+", {place}}}[{NOT_OLDER_THAN_SECONDS}s])'
            f' or label_replace(timestamp(up{{{place}}}), "{_QUANTITY}", "scraped", "", "")'
        )
        return read_aliases(samples)

    def history(self, stack: Stack, slots: Iterable[Slot], span: str) -> History:
        """Return how rasps of one stack have been over one of the `SPANS`.

        Raises:
            PrometheusUnavailable: Prometheus gives no answer.
        """
        step = max(SPANS[span] // _POINTS, 1)
        end = self._clock() // step * step  # so that all who ask meanwhile get the same
        start = end - SPANS[span]
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
        return History(start, end, step, read_tracks(found, quantities))


def read_aliases(samples: Iterable[Sample]) -> AliasReadings:
    """Return the aliases that the samples of one rasp tell of."""
    at: float | None = None
    is_ok: dict[str, bool] = {}
    seconds: dict[str, float] = {}
    values: dict[str, list[Value]] = {}
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
            values.setdefault(name, []).append(Value(_own_labels(sample.labels), sample.value))
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


def read_tracks(
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


_PLACE = frozenset({"__name__", "instance", "job", "rack", "stack", "slot", "rasp"})


def _own_labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={labels[name]}" for name in sorted(labels) if name not in _PLACE)
