"""Metrics of experiments."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.experiments.model import Run, RunState, VerdictResult
from controller.experiments.plan import FaultKind, PlannedFault
from rack.layout import Rack
from rack.power_edges import Edge

_NO_VERDICT = "none"
_DURATION_BUCKETS = (10, 30, 60, 120, 300, 600, 1800, 3600)
_EDGE_DELAY_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1)
_ENDS = tuple(state for state in RunState if state.is_over)


class RunMetrics:
    """Numbers and durations of runs, faults, and delays of edges. All series exist from the start.

    Args:
        registry: Registry of the controller.
        rack: Layout of the rack.
    """

    def __init__(self, registry: CollectorRegistry, rack: Rack) -> None:
        self._rack = rack
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
        self._stack_run = Gauge(
            "pirack_experiment_stack_run",
            "Number of the run that uses the stack, 0 if none.",
            ["rack", "stack"],
            registry=registry,
        )
        for state in _ENDS:
            for result in (*VerdictResult, _NO_VERDICT):
                self._runs.labels(state, result)
        for kind in get_args(FaultKind):
            self._faults.labels(kind)
        for stack in rack.stacks:
            self._stack_run.labels(rack.name, stack.name)

    def started(self, run: Run) -> None:
        """Show a run at its stacks."""
        self._show(run, run.id)

    def fault(self, fault: PlannedFault) -> None:
        """Count an injected fault."""
        self._faults.labels(fault.kind).inc()

    def switched(self, edge: Edge) -> None:
        """Observe the delay of an edge of a run, if it is known."""
        if edge.after is not None:
            self._edge_delay.observe(max(0.0, edge.after.monotonic - edge.planned.monotonic))

    def finished(self, run: Run) -> None:
        """Count a finished run, and show its stacks as free."""
        self._show(run, 0)
        result = _NO_VERDICT if run.verdict is None else run.verdict.result
        self._runs.labels(run.state, result).inc()
        if run.finished_at is not None:
            self._seconds.observe(max(0.0, run.finished_at - run.started_at))

    def _show(self, run: Run, number: int) -> None:
        names = {stack.number: stack.name for stack in self._rack.stacks}
        for stack in run.plan.stacks:
            self._stack_run.labels(self._rack.name, names[stack]).set(number)
