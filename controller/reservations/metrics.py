"""Metrics of the reservations."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.reservations.model import ReservationState
from controller.reservations.service import ReservationService
from rack.names import stack_name


class ReservationCollector(Collector):
    """Collector of the active and queued reservations."""

    def __init__(self, reservations: ReservationService) -> None:
        self._reservations = reservations

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        rack = self._reservations.rack
        current = self._reservations.list_open()
        counts = GaugeMetricFamily(
            "pirack_reservation_count",
            "Number of reservations in each state.",
            labels=["rack", "state"],
        )
        for state in (ReservationState.ACTIVE, ReservationState.QUEUED):
            counts.add_metric([rack.name, state], sum(each.state is state for each in current))
        stacks = GaugeMetricFamily(
            "pirack_reservation_stack",
            "Number of the reservation of the stack, 0 if it is not reserved.",
            labels=["rack", "stack"],
        )
        holders = self._reservations.holders()
        for stack in rack.stacks:
            holder = holders.get(stack.number)
            stacks.add_metric([rack.name, stack_name(stack.number)], holder.id if holder else 0)
        yield counts
        yield stacks
