"""Metrics of experiments."""

from collections.abc import Callable, Iterator, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.experiments.model import Run, RunState, VerdictResult
from controller.experiments.plan import FaultKind
from rack.layout import Rack
from rack.power.edges import Edge

_NO_VERDICT = "none"
_DURATION_BUCKETS = (10, 30, 60, 120, 300, 600, 1800, 3600)
_EDGE_DELAY_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1)
_ENDS = tuple(state for state in RunState if state.is_over)


class ExperimentMetrics:
    """Numbers and durations of runs, faults, and delays of edges.

    Args:
        registry: Registry of the controller.
        rack: Layout of the rack.
        runs_by_stack: Returns the ids of the unfinished runs, by stack number.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        rack: Rack,
        runs_by_stack: Callable[[], Mapping[int, int]],
    ) -> None:
        self._runs = Counter(
            "pirack_experiment_runs",
            "Finished runs, by final state and result of the check.",
            ["state", "result"],
            registry=registry,
        )
        self._faults = Counter(
            "pirack_experiment_faults",
            "Injected faults, by kind.",
            ["kind"],
            registry=registry,
        )
        self._seconds = Histogram(
            "pirack_experiment_run_duration_seconds",
            "Duration of runs.",
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        self._edge_delay = Histogram(
            "pirack_experiment_edge_delay_seconds",
            "Seconds from the planned time of a change of power to its end.",
            buckets=_EDGE_DELAY_BUCKETS,
            registry=registry,
        )
        for state in _ENDS:
            for result in (*VerdictResult, _NO_VERDICT):
                self._runs.labels(state, result)
        for kind in get_args(FaultKind):
            self._faults.labels(kind)
        registry.register(_StackCollector(rack, runs_by_stack))

    def injected(self, kind: FaultKind) -> None:
        """Count a fault."""
        self._faults.labels(kind).inc()

    def switched(self, edge: Edge) -> None:
        """Observe the delay of an edge of a run, if it is known."""
        if edge.after is not None:
            self._edge_delay.observe(max(0.0, edge.after.monotonic - edge.planned.monotonic))

    def finished(self, run: Run, seconds: float) -> None:
        """Count a finished run that took this time."""
        result = _NO_VERDICT if run.verdict is None else run.verdict.result
        self._runs.labels(run.state, result).inc()
        self._seconds.observe(seconds)


class _StackCollector(Collector):
    """The run of each stack. Its value is a number, so that runs do not add series."""

    def __init__(self, rack: Rack, runs_by_stack: Callable[[], Mapping[int, int]]) -> None:
        self._rack = rack
        self._runs_by_stack = runs_by_stack

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "pirack_experiment_stack_run",
            "Number of the run that uses the stack, 0 if none.",
            labels=["rack", "stack"],
        )
        runs = self._runs_by_stack()
        for stack in self._rack.stacks:
            family.add_metric([self._rack.name, stack.name], runs.get(stack.number, 0))
        yield family
