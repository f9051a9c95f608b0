"""Metrics of orders."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.orders.model import Order, Result

_DURATION_BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600)


class OrderMetrics:
    """Number and duration of orders.

    Args:
        registry: Registry of the controller.
        actions: Names of all actions. Each action has metrics from the start.
    """

    def __init__(self, registry: CollectorRegistry, actions: Iterable[str]) -> None:
        self._finished = Counter(
            "pirack_orders",
            "Finished orders, by action and result (ok, failed, unknown).",
            ["action", "result"],
            registry=registry,
        )
        self._seconds = Histogram(
            "pirack_order_duration_seconds",
            "Duration of orders.",
            ["action"],
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        self._running = Gauge("pirack_orders_running", "Running orders.", registry=registry)
        for action in actions:
            self._seconds.labels(action)
            for result in Result:
                self._finished.labels(action, result)

    def started(self) -> None:
        """Count a started order."""
        self._running.inc()

    def finished(self, order: Order, seconds: float) -> None:
        """Count a finished order that ran for this time."""
        self._running.dec()
        action = order.request.action
        self._finished.labels(action, order.result or Result.UNKNOWN).inc()
        self._seconds.labels(action).observe(seconds)
