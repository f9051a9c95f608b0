"""Tests of the metrics of experiments."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from controller.experiments.metrics import ExperimentMetrics
from controller.experiments.model import RunState, RunVerdict, VerdictResult
from rack.clock import Moment
from rack.power.edges import Edge
from tests.controller.experiments.test_run_store import RUN
from tests.controller.fakes import RACK


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_finished_runs_are_counted_by_state_and_result() -> None:
    registry = CollectorRegistry()
    metrics = ExperimentMetrics(registry, RACK, dict)
    runs = "pirack_experiment_runs_total"
    assert _value(registry, runs, state="done", result="lost") == 0
    lost = RunVerdict(VerdictResult.LOST)
    metrics.finished(replace(RUN, state=RunState.DONE, verdict=lost), 40.0)
    metrics.finished(replace(RUN, state=RunState.ABORTED), 5.0)
    assert _value(registry, runs, state="done", result="lost") == 1
    assert _value(registry, runs, state="aborted", result="none") == 1
    assert _value(registry, "pirack_experiment_run_duration_seconds_sum") == 45.0


def test_faults_and_the_delays_of_their_edges_are_counted() -> None:
    registry = CollectorRegistry()
    metrics = ExperimentMetrics(registry, RACK, dict)
    metrics.injected("power")
    assert _value(registry, "pirack_experiment_faults_total", kind="power") == 1
    assert _value(registry, "pirack_experiment_faults_total", kind="reboot") == 0
    edge = Edge(
        id=1, stack=1, is_on=False, cause="order 1", boot_id="b",
        planned=Moment(10.0, 100.0), before=Moment(10.001, 100.0), after=Moment(10.004, 100.0),
    )  # fmt: skip
    metrics.switched(edge)
    metrics.switched(replace(edge, before=None, after=None))
    delay = "pirack_experiment_edge_delay_seconds"
    assert _value(registry, f"{delay}_count") == 1
    assert _value(registry, f"{delay}_bucket", le="0.001") == 0
    assert _value(registry, f"{delay}_bucket", le="0.005") == 1


def test_run_of_each_stack_is_exported() -> None:
    registry = CollectorRegistry()
    ExperimentMetrics(registry, RACK, lambda: {2: 212})
    name = "pirack_experiment_stack_run"
    assert _value(registry, name, rack=RACK.name, stack="02") == 212
    assert _value(registry, name, rack=RACK.name, stack="01") == 0
