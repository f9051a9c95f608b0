"""Tests of the metrics of experiments."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from controller.experiments.metrics import RunMetrics
from controller.experiments.model import RunState, RunVerdict, VerdictResult
from rack.power_edges import Edge, Moment
from tests.controller.experiments.test_run_store import RUN
from tests.controller.fakes import RACK


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> RunMetrics:
    return RunMetrics(registry, RACK)


def test_finished_runs_are_counted_by_state_and_result(
    registry: CollectorRegistry, metrics: RunMetrics
) -> None:
    def count(state: str, result: str) -> float | None:
        labels = {"state": state, "result": result}
        return registry.get_sample_value("pirack_experiment_runs_total", labels)

    assert count("done", "lost") == 0
    lost = RunVerdict(VerdictResult.LOST)
    run = replace(RUN, started_at=100.0, finished_at=140.0)
    metrics.finished(replace(run, state=RunState.DONE, verdict=lost))
    metrics.finished(replace(run, state=RunState.ABORTED, finished_at=105.0))
    assert (count("done", "lost"), count("aborted", "none")) == (1, 1)
    assert registry.get_sample_value("pirack_experiment_run_duration_seconds_sum") == 45.0


def test_faults_and_the_delays_of_their_edges_are_counted(
    registry: CollectorRegistry, metrics: RunMetrics
) -> None:
    fault = RUN.plan.faults[0]
    metrics.fault(fault)
    count = registry.get_sample_value("pirack_experiment_faults_total", {"kind": fault.kind})
    assert count == 1
    edge = Edge(
        id=1, stack=1, is_on=False, cause="order 1", boot_id="b",
        planned=Moment(10.0, 100.0), before=Moment(10.001, 100.0), after=Moment(10.004, 100.0),
    )  # fmt: skip
    metrics.switched(edge)
    metrics.switched(replace(edge, before=None, after=None))
    delay = "pirack_experiment_edge_delay_seconds"
    assert registry.get_sample_value(f"{delay}_count") == 1
    assert registry.get_sample_value(f"{delay}_bucket", {"le": "0.001"}) == 0
    assert registry.get_sample_value(f"{delay}_bucket", {"le": "0.005"}) == 1


def test_run_of_each_stack_is_exported(registry: CollectorRegistry, metrics: RunMetrics) -> None:
    def run_of(stack: int) -> float | None:
        labels = {"rack": RACK.name, "stack": f"{stack:02}"}
        return registry.get_sample_value("pirack_experiment_stack_run", labels)

    used = RUN.plan.stacks[0]
    free = next(each.number for each in RACK.stacks if each.number not in RUN.plan.stacks)
    metrics.started(replace(RUN, id=212))
    assert (run_of(used), run_of(free)) == (212, 0)
    metrics.finished(replace(RUN, id=212, state=RunState.DONE))
    assert run_of(used) == 0
