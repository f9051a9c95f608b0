"""The rack's state, as Prometheus and the inventory know it now."""

from prometheus_client import CollectorRegistry, Counter

from controller.prometheus import Prometheus, PrometheusUnavailable
from controller.state import RackState, decide, expression
from rack.inventory import Inventory
from rack.layout import Rack


class Watch:
    """Asks Prometheus for the rack's state: one query each time.

    Args:
        rack: the layout.
        inventory: which Pi is where.
        prometheus: who knows the readings.
        registry: gets the count of queries.
    """

    def __init__(
        self, rack: Rack, inventory: Inventory, prometheus: Prometheus, registry: CollectorRegistry
    ) -> None:
        self._rack = rack
        self._inventory = inventory
        self._prometheus = prometheus
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
        try:
            samples = self._prometheus.query(self._expression)
        except PrometheusUnavailable as error:
            self._queries.labels("failed").inc()
            return decide(self._rack, rasps, (), trouble=str(error))
        self._queries.labels("ok").inc()
        return decide(self._rack, rasps, samples)
