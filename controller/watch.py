"""The rack's state, as Prometheus and the inventory know it now."""

import time
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter

from controller.decide import decide, expression
from controller.prometheus import Prometheus, PrometheusUnavailable, Sample
from controller.state import RackState
from rack.commanded import CommandedPower
from rack.inventory import Inventory
from rack.layout import Rack


class Watch:
    """Asks Prometheus for the rack's state: one query each time.

    Args:
        rack: the layout.
        inventory: which Pi is where.
        prometheus: who knows the readings.
        registry: gets the count of queries.
        commanded: returns what each stack was last commanded to have, as far as anybody knows.
        busy: returns who has which stack just now.
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
        busy: Callable[[], Mapping[int, str]] = dict,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rack = rack
        self._inventory = inventory
        self._prometheus = prometheus
        self._commanded = commanded
        self._busy = busy
        self._clock = clock
        self._expression = expression(rack)
        self._queries = Counter(
            "pirack_controller_prometheus_queries",
            "Queries of the controller to Prometheus, by result (ok, failed).",
            ["result"],
            registry=registry,
        )
        for result in ("ok", "failed"):
            self._queries.labels(result)

    def state(self) -> RackState:
        """Return the state of the rack now.

        Where Prometheus gives no answer, every state is unknown and `trouble` says why.

        Raises:
            DatabaseError: the inventory cannot be read.
        """
        rasps = self._inventory.rasps()
        samples: Sequence[Sample] = ()
        trouble = ""
        try:
            samples = self._prometheus.query(self._expression)
        except PrometheusUnavailable as error:
            trouble = str(error)
        self._queries.labels("failed" if trouble else "ok").inc()
        return decide(
            self._rack,
            rasps,
            samples,
            trouble,
            commanded=self._commanded(),
            busy=self._busy(),
            now=self._clock(),
        )
