"""Values of the sparklines of all rasps."""

import math
from collections.abc import Iterator

import pytest

from controller.state.prometheus import Prometheus, PrometheusUnavailableError, Series
from controller.state.sparklines import STEPS, SparklineReader, build_values
from tests.controller.fakes import RACK
from tests.controller.recorded_prometheus import RecordedPrometheus, recorded_prometheus
from tests.helpers.fake_clock import FakeClock

END = 7200


def series(stack: str, slot: str, *points: tuple[float, float]) -> Series:
    return Series({"stack": stack, "slot": slot}, points)


def test_steps_without_a_reading_have_no_value() -> None:
    points = [(END - 120, 47.0), (END - 60, math.nan), (END, 48.5)]
    values = build_values(RACK, [series("03", "2", *points)], END)
    assert values == {10: (*[None] * (STEPS - 3), 47.0, None, 48.5)}


def test_series_of_other_slots_and_of_whole_stacks_are_ignored() -> None:
    unknown = [series("03", "9", (END, 1.0)), series("03", "", (END, 1.0)), series("99", "1")]
    assert build_values(RACK, unknown, END) == {}


@pytest.fixture
def recorded() -> Iterator[RecordedPrometheus]:
    with recorded_prometheus(RecordedPrometheus(RACK, 5000, 5600)) as recorded:
        yield recorded


def test_all_rasps_are_read_with_one_query_per_minute(recorded: RecordedPrometheus) -> None:
    clock = FakeClock(END)
    reader = SparklineReader(RACK, Prometheus(recorded.url), clock=clock)
    values = reader.read("temperature")
    assert len(values) == len(RACK.slots)
    assert [values[10].count(None), values[9].count(None)] == [10, 0]
    clock.now = END + 59
    assert reader.read("temperature") is values
    clock.now = END + 60
    assert reader.read("temperature") is not values
    assert reader.read("cpu") is not values
    assert recorded.ranges == 3


def test_failed_query_is_reported_and_repeated(recorded: RecordedPrometheus) -> None:
    prometheus = Prometheus("http://127.0.0.1:1")
    reader = SparklineReader(RACK, prometheus, clock=FakeClock(END))
    with pytest.raises(PrometheusUnavailableError):
        reader.read("temperature")
    prometheus.url = recorded.url
    assert len(reader.read("temperature")) == len(RACK.slots)
