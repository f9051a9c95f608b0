"""What the controller says of the stacks' power on its /metrics."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from controller.reservations import Reservations
from rack.layout import Rack
from rack.relays import Relays


def register_metrics(
    registry: CollectorRegistry,
    rack: Rack,
    relays: Relays,
    *,
    reservations: Reservations,
    gpio_persists: bool | None,
) -> None:
    """Add each stack's commanded power, and whether somebody has it, to the controller's metrics.

    Args:
        registry: gets the metrics.
        rack: its stacks.
        relays: where they cannot be driven, nobody knows the power, and nothing is said of it.
        reservations: who has which stack just now.
        gpio_persists: whether the kernel keeps the outputs of a process that has ended; None where
            nobody can tell, and then nothing is said.
    """
    if not relays.error:
        power = Gauge(
            "pirack_stack_power_state",
            "Whether a stack was commanded to have power (1) or not (0).",
            ["rack", "stack"],
            registry=registry,
        )
        for stack in rack.stacks:
            series = power.labels(rack.name, stack.name)
            series.set_function(partial(relays.is_on, stack.number))
    claimed = Gauge(
        "pirack_stack_busy",
        "Whether an order or an install has the stack just now.",
        ["rack", "stack"],
        registry=registry,
    )

    def is_busy(number: int) -> bool:
        return number in reservations.holders()

    for stack in rack.stacks:
        claimed.labels(rack.name, stack.name).set_function(partial(is_busy, stack.number))
    registry.register(_ClaimCollector(rack, reservations.claim_counts))
    if gpio_persists is not None:
        Gauge(
            "pirack_gpio_persists_outputs",
            "Whether the kernel keeps driving the pins of a program that has ended.",
            registry=registry,
        ).set(gpio_persists)


class _ClaimCollector(Collector):
    """Counts the claims, for an order may be over before anybody sees that the stack was busy."""

    def __init__(self, rack: Rack, claims: Callable[[], Mapping[int, int]]) -> None:
        self._rack = rack
        self._claims = claims

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "pirack_stack_claims",
            "How often an order or an install has taken the stack.",
            labels=["rack", "stack"],
        )
        claims = self._claims()
        for stack in self._rack.stacks:
            family.add_metric([self._rack.name, stack.name], claims.get(stack.number, 0))
        yield family
