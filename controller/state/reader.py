"""The rack's state, as Prometheus and the inventory know it now."""

import time
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter

from controller.state.build import build_rack_state, state_query
from controller.state.model import RackState
from controller.state.prometheus import Prometheus, PrometheusUnavailableError, Sample
from rack.commanded_power import CommandedPower
from rack.inventory import Inventory
from rack.layout import Rack


class RackStateReader:
    """Asks Prometheus for the rack's state: one query each time.

    Args:
        rack: the layout.
        inventory: which Pi is where.
        prometheus: who knows the readings.
        registry: gets the count of queries.
        commanded: returns what each stack was last commanded to have, as far as anybody knows.
        reserved_by: returns who has which stack just now.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        rack: Rack,
        inventory: Inventory,
        prometheus: Prometheus,
        registry: CollectorRegistry,
        *,
        commanded: Callable[[], Mapping[int, CommandedPower]] = dict,
        reserved_by: Callable[[], Mapping[int, str]] = dict,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rack = rack
        self._inventory = inventory
        self._prometheus = prometheus
        self._commanded = commanded
        self._reserved_by = reserved_by
        self._clock = clock
        self._state_query = state_query(rack)
        self._queries = Counter(
            "pirack_controller_prometheus_queries",
            "Queries of the controller to Prometheus, by result (ok, failed).",
            ["result"],
            registry=registry,
        )
        for result in ("ok", "failed"):
            self._queries.labels(result)

    def read(self) -> RackState:
        """Return the state of the rack now.

        Where Prometheus gives no answer, every state is unknown and `trouble` says why.

        Raises:
            DatabaseError: the inventory cannot be read.
        """
        rasps = self._inventory.rasps()
        samples: Sequence[Sample] = ()
        trouble = ""
        try:
            samples = self._prometheus.query(self._state_query)
        except PrometheusUnavailableError as error:
            trouble = str(error)
        self._queries.labels("failed" if trouble else "ok").inc()
        return build_rack_state(
            self._rack,
            rasps,
            samples,
            trouble,
            commanded=self._commanded(),
            reserved_by=self._reserved_by(),
            now=self._clock(),
        )
