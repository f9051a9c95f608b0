"""Metrics of the power and the claims of the stacks."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from controller.claims import StackClaims
from rack.layout import Rack
from rack.relays import Relays


def register_metrics(
    registry: CollectorRegistry,
    rack: Rack,
    relays: Relays,
    *,
    claims: StackClaims,
    gpio_persists: bool | None,
) -> None:
    """Add metrics of the commanded power and the claims of each stack.

    Args:
        registry: Registry to add the metrics to.
        rack: Layout of the rack.
        relays: Relays of the stacks. Without working relays, no power is exported.
        claims: Claims of the stacks.
        gpio_persists: Whether the kernel keeps the outputs of a finished process. None if
        unknown. The metric is then omitted.
    """
    if not relays.error:
        power = Gauge(
            "pirack_stack_power_state",
            "Commanded power of a stack: 1 on, 0 off.",
            ["rack", "stack"],
            registry=registry,
        )
        for stack in rack.stacks:
            power.labels(rack.name, stack.name).set_function(partial(relays.is_on, stack.number))
    busy = Gauge(
        "pirack_stack_busy",
        "Whether an order or an install has reserved the stack.",
        ["rack", "stack"],
        registry=registry,
    )

    def is_busy(stack: int) -> bool:
        return stack in claims.holders()

    for stack in rack.stacks:
        busy.labels(rack.name, stack.name).set_function(partial(is_busy, stack.number))
    registry.register(_ClaimCollector(rack, claims.claim_counts))
    if gpio_persists is not None:
        Gauge(
            "pirack_gpio_persists_outputs",
            "Whether the kernel keeps driving the GPIO outputs of a finished process.",
            registry=registry,
        ).set(gpio_persists)


class _ClaimCollector(Collector):
    """Counter of claims, including claims that are released between two scrapes."""

    def __init__(self, rack: Rack, claim_counts: Callable[[], Mapping[int, int]]) -> None:
        self._rack = rack
        self._claim_counts = claim_counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "pirack_stack_claims",
            "Number of reservations of the stack by orders and installs.",
            labels=["rack", "stack"],
        )
        counts = self._claim_counts()
        for stack in self._rack.stacks:
            family.add_metric([self._rack.name, stack.name], counts.get(stack.number, 0))
        yield family
