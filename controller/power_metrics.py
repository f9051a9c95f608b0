"""Metrics of the power of stacks and outlets, and of the claims of the stacks."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.claims import StackClaims
from controller.outlet_monitor import OutletMonitor
from controller.state.model import PowerState
from controller.state.outlets import build_outlet_state, combine_power
from rack.layout import GPIO, Outlet, Rack
from rack.names import stack_name
from rack.power.outlets import Outlets
from rack.power.state import OutletReading

_STACK_VALUES = {PowerState.ON: 1, PowerState.PARTIAL: 1, PowerState.OFF: 0}


def register_metrics(
    registry: CollectorRegistry,
    rack: Rack,
    outlets: Outlets,
    monitor: OutletMonitor,
    *,
    claims: StackClaims,
    gpio_persists: bool | None,
) -> None:
    """Add metrics of the power of stacks and outlets, and of the claims of each stack.

    Args:
        registry: Registry to add the metrics to.
        rack: Layout of the rack.
        outlets: Outlets of the stacks and slots. No power is exported while it is unknown.
        monitor: Readings and energy of the outlets.
        claims: Claims of the stacks.
        gpio_persists: Whether the kernel keeps the outputs of a finished process. None without
            GPIO pins. The metric is then omitted.
    """
    registry.register(_OutletCollector(rack, outlets, monitor))
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


class _OutletCollector(Collector):
    """Commanded and measured power of the outlets. What is unknown has no sample."""

    def __init__(self, rack: Rack, outlets: Outlets, monitor: OutletMonitor) -> None:
        self._rack = rack
        self._outlets = outlets
        self._monitor = monitor

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        commanded, readings = self._outlets.all_commanded(), self._monitor.readings()
        energy = self._monitor.energy()
        states = {
            outlet: build_outlet_state(
                outlet, commanded.get(outlet), readings.get(outlet), energy.get(outlet)
            )
            for outlet in self._rack.outlets
        }
        stack_power = GaugeMetricFamily(
            "pirack_stack_power_state",
            "Commanded power of a stack: 1 on, also if only some of its outlets are on; 0 off.",
            labels=["rack", "stack"],
        )
        for stack in self._rack.stacks:
            power = combine_power(states[outlet].power for outlet in stack.outlets)
            if power in _STACK_VALUES:
                stack_power.add_metric([self._rack.name, stack.name], _STACK_VALUES[power])
        yield stack_power
        yield self._gauge(
            "pirack_outlet_power_state",
            "Commanded power of an outlet: 1 on, 0 off.",
            {
                outlet: float(state.power is PowerState.ON)
                for outlet, state in states.items()
                if state.power is not PowerState.UNKNOWN
            },
        )
        yield self._up(readings)
        yield self._gauge(
            "pirack_power_watts",
            "Power that was measured at an outlet, in watts.",
            {outlet: state.watts for outlet, state in states.items() if state.watts is not None},
        )
        joules = CounterMetricFamily(
            "pirack_energy_joules",
            "Energy that was measured at an outlet since the start of the controller, in joules.",
            labels=["rack", "stack", "slot"],
        )
        for outlet, value in energy.items():
            joules.add_metric(self._labels(outlet), value)
        yield joules

    def _up(self, readings: Mapping[Outlet, OutletReading]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "pirack_outlet_up",
            "Whether an outlet can be used: 1 yes, 0 no.",
            labels=["rack", "stack", "slot", "source"],
        )
        for outlet in self._rack.outlets:
            # Relays are usable unless `readings` contains an error. Others are read first.
            if outlet.source == GPIO or outlet in readings:
                is_up = outlet not in readings or not readings[outlet].error
                family.add_metric([*self._labels(outlet), outlet.source], float(is_up))
        return family

    def _gauge(
        self, name: str, description: str, values: Mapping[Outlet, float]
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, description, labels=["rack", "stack", "slot"])
        for outlet, value in values.items():
            family.add_metric(self._labels(outlet), value)
        return family

    def _labels(self, outlet: Outlet) -> list[str]:
        slot = "" if outlet.slot is None else str(outlet.slot)
        return [self._rack.name, stack_name(outlet.stack), slot]


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
