"""Sparklines: a measured quantity of each rasp at each minute of the last hour."""

import math
import time
from collections.abc import Callable, Iterable, Mapping

from controller.cache import KeyedCache
from controller.state.history import measured_quantities
from controller.state.prometheus import Prometheus, Series
from rack.layout import Rack

STEP_SECONDS, STEPS = 60, 60

_MAX_CACHED = 8
_SECONDS = STEP_SECONDS * STEPS

Values = tuple[float | None, ...]
"""A value for each step, oldest first. None: no value was read."""


def sparkline_query(rack: Rack, quantity: str) -> str:
    """Return the PromQL expression for the series that `build_values` needs.

    Args:
        rack: Layout of the rack.
        quantity: One of the `measured_quantities`.
    """
    rasps, outlets = (f'job="{job}", rack="{rack.name}"' for job in ("rasp", "controller"))
    expression = measured_quantities(rasps, outlets, STEP_SECONDS)[quantity]
    return f"max by (stack, slot) ({expression})"


def build_values(rack: Rack, series: Iterable[Series], end: float) -> dict[int, Values]:
    """Return the values of each rasp with any value, keyed by its id.

    Args:
        rack: Layout of the rack.
        series: Result of `sparkline_query`.
        end: Time of the last step, in seconds since the epoch.
    """
    ids = {(slot.stack_name, str(slot.number)): slot.id for slot in rack.slots}
    values: dict[int, Values] = {}
    for each in series:
        rasp_id = ids.get((each.labels.get("stack", ""), each.labels.get("slot", "")))
        by_step = {
            STEPS - 1 - round((end - at) / STEP_SECONDS): value
            for at, value in each.points
            if math.isfinite(value)
        }
        if rasp_id is not None and by_step:
            values[rasp_id] = tuple(by_step.get(step) for step in range(STEPS))
    return values


class SparklineReader:
    """Reader of the values of sparklines. Each minute of a quantity is read once, for all rasps.

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

    def read(self, quantity: str) -> Mapping[int, Values]:
        """Return the values of each rasp, keyed by its id.

        Raises:
            PrometheusUnavailableError: If Prometheus does not return a valid response.
        """
        return self._cache.get((quantity, int(self._clock()) // STEP_SECONDS * STEP_SECONDS))

    def _load(self, key: tuple[str, int]) -> Mapping[int, Values]:
        quantity, end = key
        series = self._prometheus.query_range(
            sparkline_query(self._rack, quantity),
            start=end - _SECONDS + STEP_SECONDS,
            end=end,
            step=STEP_SECONDS,
        )
        return build_values(self._rack, series, end)
