"""The state of the rack at an earlier time."""

from collections.abc import Iterator

import pytest

from controller.errors import UnknownMomentError
from controller.state.build import STATE_SERIES, state_query
from controller.state.model import PowerState, RackState, RaspStatus
from controller.state.moments import format_moment, parse_moment
from controller.state.past import PastReader, build_past_state, past_query
from controller.state.prometheus import Prometheus, Sample
from rack.inventory import Rasp
from tests.controller.fakes import INSTALLED, RACK
from tests.controller.recorded_prometheus import RecordedPrometheus, recorded_prometheus
from tests.controller.state.test_prometheus import http_server_answering

MOMENT = 1_795_960_740.0


def sample(name: str, value: float, stack: str = "03", slot: str | None = "2") -> Sample:
    labels = {"__name__": name, "rack": "pirack", "stack": stack}
    return Sample(labels | ({"slot": slot} if slot else {}), value)


def past_state(*samples: Sample) -> RackState:
    return build_past_state(RACK, INSTALLED, samples)


def test_past_query_extends_the_query_of_the_present() -> None:
    assert past_query(RACK).startswith(f"{state_query(RACK)} or last_over_time(")


def test_commanded_power_of_the_past_is_from_its_samples() -> None:
    state = past_state(
        sample(STATE_SERIES, 1),
        sample("pirack_outlet_power_state", 0, "09", None),
        sample("pirack_outlet_power_state", 1, "03", None),
        sample("pirack_power_watts", 12.5, "03", None),
    )
    powers = [stack.power for stack in state.stacks]
    assert powers[2] is PowerState.ON
    assert powers[8] is PowerState.OFF
    assert set(powers[:2]) == {PowerState.UNKNOWN}
    assert state.stacks[2].watts == 12.5
    assert all(stack.watts is None for stack in state.stacks[:2])
    assert all(stack.power_mismatch == "" for stack in state.stacks)


def test_rasps_have_their_identity_if_the_inventory_of_the_time_is_known() -> None:
    state = past_state(sample(STATE_SERIES, 0))
    rasp = state.rasps[9]
    assert rasp.state is RaspStatus.DOWN
    assert rasp.rasp == INSTALLED[3, 2]
    assert state.rasps[0].reason == "Prometheus has no recent sample"


def test_slots_with_samples_had_a_rasp_if_the_inventory_of_the_time_is_unknown() -> None:
    state = build_past_state(RACK, None, [sample(STATE_SERIES, 1), sample("x", 1, "77")])
    seen, other = state.rasps[9], state.rasps[8]
    assert (seen.state, seen.rasp, seen.is_installed) == (RaspStatus.UP, None, True)
    assert (other.state, other.rasp, other.is_installed) == (RaspStatus.UNKNOWN, None, False)


def test_time_without_samples_is_unknown_with_a_reason() -> None:
    state = past_state(sample("pirack_outlet_power_state", 1, "03", None))
    assert state.counts[RaspStatus.UNKNOWN] == 48
    assert state.error.startswith("Prometheus has no data of this time")
    assert {rasp.reason for rasp in state.rasps} == {state.error}


def past_reader() -> PastReader:
    unused = Prometheus("http://127.0.0.1:1")
    return PastReader(RACK, unused, lambda _: INSTALLED, clock=lambda: MOMENT)


def test_past_is_unknown_while_prometheus_is_unavailable() -> None:
    state = past_reader().read(MOMENT - 60)
    assert state.counts[RaspStatus.UNKNOWN] == 48
    assert "cannot be reached" in state.error


@pytest.mark.parametrize(
    ("moment", "message"), [(MOMENT + 1, "in the future"), (-1.0, "before 1970")]
)
def test_times_without_a_state_are_rejected(moment: float, message: str) -> None:
    with pytest.raises(UnknownMomentError, match=message):
        past_reader().read(moment)


@pytest.mark.parametrize(
    "text", ["2026-11-29T13:59:00Z", "2026-11-29T14:59:00+01:00", "2026-11-29 13:59:00.000Z"]
)
def test_moments_are_iso_times(text: str) -> None:
    assert format_moment(parse_moment(text)) == "2026-11-29T13:59:00Z"


@pytest.mark.parametrize("text", ["", "yesterday", "20261129", "1795960740", "2026-13-01T00:00Z"])
def test_other_moments_are_rejected_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: write it like 2026-11-29T13:59:00Z"):
        parse_moment(text)


@pytest.fixture
def recorded() -> Iterator[RecordedPrometheus]:
    """Samples in which 03-2 was down from 20 until 10 minutes ago."""
    samples = RecordedPrometheus(RACK, MOMENT - 1200, MOMENT - 600)
    with recorded_prometheus(samples) as recorded:
        yield recorded


def test_state_that_cannot_change_any_more_is_read_once(recorded: RecordedPrometheus) -> None:
    reader = PastReader(RACK, Prometheus(recorded.url), lambda _: INSTALLED, clock=lambda: MOMENT)
    during, after = reader.read(MOMENT - 900), reader.read(MOMENT - 300)
    assert (during.counts[RaspStatus.DOWN], after.counts[RaspStatus.DOWN]) == (1, 0)
    assert reader.read(MOMENT - 900) is during
    assert recorded.moments == [MOMENT - 900, MOMENT - 300]


def test_recent_state_is_read_again(recorded: RecordedPrometheus) -> None:
    reader = PastReader(RACK, Prometheus(recorded.url), lambda _: INSTALLED, clock=lambda: MOMENT)
    for _ in range(2):
        reader.read(MOMENT - 59)
    assert recorded.moments == [MOMENT - 59] * 2


def test_state_changes_with_the_inventory_of_its_time(recorded: RecordedPrometheus) -> None:
    inventory: dict[tuple[int, int], Rasp] = dict(INSTALLED)
    reader = PastReader(
        RACK, Prometheus(recorded.url), lambda _: dict(inventory), clock=lambda: MOMENT
    )
    assert reader.read(MOMENT - 900).rasps[0].is_installed
    del inventory[1, 1]
    assert not reader.read(MOMENT - 900).rasps[0].is_installed


def test_states_that_could_not_be_read_are_read_again() -> None:
    answers = [(503, b"starting"), (200, b'{"data": {"resultType": "vector", "result": []}}')]
    with http_server_answering(lambda _: answers.pop(0)) as url:
        reader = PastReader(RACK, Prometheus(url), lambda _: INSTALLED, clock=lambda: MOMENT)
        assert "HTTP 503" in reader.read(MOMENT - 900).error
        assert reader.read(MOMENT - 900).error.startswith("Prometheus has no data of this time")
    assert answers == []
