"""The state of the rack at an earlier time, from the samples that Prometheus has stored.

The layout is the present one. Measured energy, reservations and differences between commanded and
observed power are not stored with a time, and are therefore absent.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from controller.cache import LruCache
from controller.errors import UnknownMomentError
from controller.state.build import build_rack_state, state_query
from controller.state.model import MAX_SAMPLE_AGE_SECONDS, RackState
from controller.state.prometheus import Prometheus, PrometheusUnavailableError, Sample
from rack.inventory import Rasp
from rack.layout import Outlet, Rack
from rack.power.commanded_power import CommandedPower
from rack.power.state import OutletReading

_COMMANDED_SERIES = "pirack_outlet_power_state"
_WATTS_SERIES = "pirack_power_watts"
_NO_SAMPLES = "Prometheus has no data of this time: it did not run, or has already deleted the data"

_MAX_CACHED_RASPS = 10_000
"""Number of cached states of rasps, which take about 6 MB."""

FINAL_SECONDS = 60.0
"""Age of a moment from which no scrape and no rule adds samples to it."""

_Inventory = Mapping[tuple[int, int], Rasp] | None

InventoryAt = Callable[[float], _Inventory]
"""Returns the inventory at a time, or None if it is unknown."""


def past_query(rack: Rack) -> str:
    """Return the PromQL expression for all samples that `build_past_state` needs."""
    names = f"{_COMMANDED_SERIES}|{_WATTS_SERIES}"
    power = f'{{__name__=~"{names}", job="controller", rack="{rack.name}"}}'
    return f"{state_query(rack)} or last_over_time({power}[{MAX_SAMPLE_AGE_SECONDS}s])"


def build_past_state(
    rack: Rack,
    inventory: _Inventory,
    samples: Iterable[Sample],
    error: str = "",
) -> RackState:
    """Return the state of a rack at an earlier time.

    Args:
        rack: Layout of the rack.
        inventory: Inventory at this time. If it is None, the slots with samples had a rasp.
        samples: Result of `past_query`. Empty if the query failed.
        error: Error of the query.
    """
    by_outlet: dict[tuple[str, str, str], float] = {}
    of_rasps: list[Sample] = []
    for sample in samples:
        if sample.name in {_COMMANDED_SERIES, _WATTS_SERIES}:
            labels = sample.labels
            # The outlet of a whole stack has no label `slot`.
            by_outlet[sample.name, labels.get("stack", ""), labels.get("slot", "")] = sample.value
        else:
            of_rasps.append(sample)
    installed: Mapping[tuple[int, int], Rasp | None]
    if inventory is None:
        names = {(each.labels.get("stack"), each.labels.get("slot")) for each in of_rasps}
        installed = {
            (slot.stack, slot.number): None
            for slot in rack.slots
            if (slot.stack_name, str(slot.number)) in names
        }
    else:
        installed = inventory

    def value(series: str, outlet: Outlet) -> float | None:
        stack = rack.stack(outlet.stack).name
        return by_outlet.get((series, stack, "" if outlet.slot is None else str(outlet.slot)))

    commanded = {
        outlet: CommandedPower(bool(is_on), since=0.0, boot_id="")
        for outlet in rack.outlets
        if (is_on := value(_COMMANDED_SERIES, outlet)) is not None
    }
    readings = {
        outlet: OutletReading(None, watts=watts)
        for outlet in rack.outlets
        if (watts := value(_WATTS_SERIES, outlet)) is not None
    }
    if not of_rasps and not error:
        error = _NO_SAMPLES
    return build_rack_state(
        rack, installed, of_rasps, error, commanded=commanded, readings=readings
    )


def require_past(moment: float, now: float | None = None) -> None:
    """Check that the rack has a state at a time, in seconds since the epoch.

    Raises:
        UnknownMomentError: If the time is in the future or before 1970.
    """
    if moment > (time.time() if now is None else now):
        raise UnknownMomentError("this time is in the future: choose a time before now")
    if moment < 0:
        raise UnknownMomentError("this time is before 1970: choose a later time")


class PastReader:
    """Reader of the rack's state at earlier times. Thread-safe.

    Each read sends one query to Prometheus. States that cannot change any more are cached.

    Args:
        rack: Layout of the rack.
        prometheus: Client of the Prometheus that scrapes the rack.
        inventory_at: Returns the inventory at a time, or None if it is unknown.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        rack: Rack,
        prometheus: Prometheus,
        inventory_at: InventoryAt,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rack = rack
        self._prometheus = prometheus
        self._inventory_at = inventory_at
        self._clock = clock
        self._query = past_query(rack)
        self._cached: LruCache[float, tuple[_Inventory, RackState]] = LruCache(
            max(_MAX_CACHED_RASPS // len(rack.slots), 1)
        )

    def read(self, moment: float) -> RackState:
        """Return the state of the rack at a time, in seconds since the epoch.

        If Prometheus is unavailable or has no data, all states are unknown and `error` is the
        reason.

        Raises:
            UnknownMomentError: If the time is in the future or before 1970.
            DatabaseError: If the inventory cannot be read.
        """
        now = self._clock()
        require_past(moment, now)
        inventory = self._inventory_at(moment)
        known = self._cached.get(moment)
        if known is not None and known[0] == inventory:
            return known[1]
        try:
            samples = self._prometheus.query(self._query, time=moment)
        except PrometheusUnavailableError as error:
            return build_past_state(self._rack, inventory, (), str(error))
        state = build_past_state(self._rack, inventory, samples)
        if now - moment >= FINAL_SECONDS and not state.error:
            self._cached.put(moment, (inventory, state))
        return state
