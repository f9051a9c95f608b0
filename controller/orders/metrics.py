"""What the controller's /metrics tell of orders."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.orders.model import Order, Result

_DURATION_BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600)


class OrderMetrics:
    """Counts orders; `actions` are the names that there are."""

    def __init__(self, registry: CollectorRegistry, actions: Iterable[str]) -> None:
        self._finished = Counter(
            "pirack_orders",
            "Orders that are over, by action and result (ok, failed, unknown).",
            ["action", "result"],
            registry=registry,
        )
        self._seconds = Histogram(
            "pirack_order_duration_seconds",
            "How long orders took.",
            ["action"],
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        self._running = Gauge("pirack_orders_running", "Orders that run.", registry=registry)
        for action in actions:
            self._seconds.labels(action)
            for result in Result:
                self._finished.labels(action, result)

    def started(self) -> None:
        """Count an order that begins."""
        self._running.inc()

    def finished(self, order: Order) -> None:
        """Count an order that is over."""
        self._running.dec()
        action = order.request.action
        self._finished.labels(action, order.result or Result.UNKNOWN).inc()
        self._seconds.labels(action).observe(
            max(0.0, (order.finished_at or order.started_at) - order.started_at)
        )
