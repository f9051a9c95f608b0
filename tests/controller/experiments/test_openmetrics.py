"""Tests of the OpenMetrics text of a run."""

from dataclasses import replace

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from controller.experiments.openmetrics import MAX_RASP_SECONDS, metrics_of_run, openmetrics_text
from controller.state.prometheus import Prometheus, Series
from tests.controller.experiments.test_run_store import RUN
from tests.controller.fakes import RACK


def test_text_is_valid_and_keeps_times_values_and_labels() -> None:
    series = [
        Series({"__name__": "up", "rasp": "01-1"}, ((100.5, 1.0), (105.5, 0.0))),
        Series({"__name__": "pirack_cpu_temperature_celsius", "rasp": 'a"b\\c'}, ((101.0, 48.5),)),
        Series({"__name__": "rack_stack_slot:pirack_rasp_state:max"}, ((101.0, float("nan")),)),
        Series({"__name__": "up", "rasp": "01-2"}, ((100.75, 1.0),)),
    ]
    text = openmetrics_text(series).decode()
    assert text.endswith("# EOF\n")
    samples = [
        sample
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    ]
    assert [
        (sample.name, sample.labels.get("rasp"), sample.value, float(sample.timestamp))
        for sample in samples
        if sample.value == sample.value
    ] == [
        ("pirack_cpu_temperature_celsius", 'a"b\\c', 48.5, 101.0),
        ("up", "01-1", 1.0, 100.5),
        ("up", "01-1", 0.0, 105.5),
        ("up", "01-2", 1.0, 100.75),
    ]
    assert len(samples) == 5


class _RequestedRanges(Prometheus):
    """Notes which ranges are read."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.ranges: list[tuple[str, float, float]] = []

    def read_samples(self, selector: str, *, start: float, end: float) -> list[Series]:
        self.ranges.append((selector, start, end))
        return []


def test_range_of_a_run_is_its_time_with_a_margin() -> None:
    prometheus = _RequestedRanges()
    run = replace(RUN, started_at=1000.0, finished_at=1100.0)
    assert metrics_of_run(prometheus, RACK, run, 2000.0) == b"# EOF\n"
    nodes = [f'{{rack="pirack", rasp="{node}"}}' for node in run.plan.nodes]
    outlets = [
        '{__name__=~"pirack_power_watts|pirack_energy_joules_total", rack="pirack",'
        f' stack="{stack:02}", slot=""}}'
        for stack in run.plan.stacks
    ]
    assert prometheus.ranges == [(selector, 985.0, 1115.0) for selector in (*nodes, *outlets)]


def test_range_of_a_run_that_goes_on_ends_now() -> None:
    prometheus = _RequestedRanges()
    metrics_of_run(prometheus, RACK, replace(RUN, started_at=1000.0), 1050.0)
    assert {end for _, _, end in prometheus.ranges} == {1050.0}


def test_range_of_a_long_run_is_bounded() -> None:
    prometheus = _RequestedRanges()
    run = replace(RUN, started_at=1000.0, finished_at=1e6)
    metrics_of_run(prometheus, RACK, run, 2e6)
    of_rasps = [each for each in prometheus.ranges if "rasp=" in each[0]]
    assert sum(end - start for _, start, end in of_rasps) <= MAX_RASP_SECONDS + 1
