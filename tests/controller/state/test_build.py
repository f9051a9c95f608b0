"""What the controller makes of Prometheus' answer."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from controller.state.build import STATE_SERIES, build_rack_state
from controller.state.model import (
    PowerState,
    RackState,
    RaspState,
    RaspStatus,
    StackIssue,
    TemperatureLevel,
)
from controller.state.prometheus import Sample
from rack.commanded_power import CommandedPower
from rack.inventory import Rasp
from rack.layout_file import load

RACK = load(Path("rack.toml"))
INSTALLED = {
    (slot.stack, slot.number): Rasp(
        slot.stack, slot.number, f"b8:27:eb:00:00:{slot.id:02x}", slot.address
    )
    for slot in RACK.slots
}

NOW = 1_800_000_000.0


def sample(name: str, value: float, stack: str = "03", slot: str | None = "2") -> Sample:
    labels = {"__name__": name, "rack": "pirack", "stack": stack}
    return Sample(labels | ({"slot": slot} if slot else {}), value)


def rack_state(
    *samples: Sample,
    error: str = "",
    commanded: Mapping[int, CommandedPower] | None = None,
    reserved_by: Mapping[int, str] | None = None,
) -> RackState:
    return build_rack_state(
        RACK, INSTALLED, samples, error, commanded=commanded, reserved_by=reserved_by, now=NOW
    )


def commanded_power(*, is_on: bool, age: float = 1000.0) -> CommandedPower:
    return CommandedPower(is_on, NOW - age, "boot")


def rasp_state_from(samples: Iterable[Sample]) -> RaspState:
    return rack_state(*samples).rasps[9]


@pytest.mark.parametrize(
    ("value", "state", "warmth", "why"),
    [
        (0, RaspStatus.DOWN, None, "its exporter does not answer"),
        (1, RaspStatus.UP, TemperatureLevel.NORMAL, ""),
        (2, RaspStatus.UP, TemperatureLevel.WARM, ""),
        (3, RaspStatus.UP, TemperatureLevel.HOT, ""),
        (4, RaspStatus.OFF, None, "its stack is switched off"),
        (17, RaspStatus.UNKNOWN, None, "Prometheus has no recent reading of it"),
    ],
)
def test_each_value_of_the_state_rule_has_its_word(
    value: float, state: RaspStatus, warmth: TemperatureLevel | None, why: str
) -> None:
    rasp = rasp_state_from([sample(STATE_SERIES, value)])
    assert (rasp.state, rasp.temperature_level, rasp.reason) == (state, warmth, why)


def test_a_silent_exporter_on_a_living_pi_is_told_from_a_silent_pi() -> None:
    down = sample(STATE_SERIES, 0)
    assert rasp_state_from([down, sample("probe_success", 1)]).reason == (
        "it answers ping, but its exporter does not"
    )
    assert (
        rasp_state_from([down, sample("probe_success", 0)]).reason
        == "neither it nor its exporter answers"
    )


def test_the_readings_of_a_rasp_are_its_own() -> None:
    samples = [
        sample(STATE_SERIES, 1),
        sample("pirack_cpu_temperature_celsius", 48.3),
        sample("pirack_cpu_temperature_celsius", 70.0, slot="3"),
        sample("pirack_cpu_load1", 0.5),
        sample("pirack_boot_time_seconds", 1_700_000_000),
        sample("probe_success", 1),
    ]
    rasp = rasp_state_from(samples)
    assert rasp.temperature_celsius == 48.3
    assert rasp.load1 == 0.5
    assert rasp.boot_time_seconds == 1_700_000_000
    assert rasp.answers_ping is True


def test_the_last_readings_of_a_rasp_that_has_gone_are_not_shown() -> None:
    rasp = rasp_state_from(
        [sample(STATE_SERIES, 0), sample("pirack_cpu_temperature_celsius", 48.3)]
    )
    assert rasp.temperature_celsius is None


def test_without_an_answer_every_state_is_unknown_and_says_why() -> None:
    rack = rack_state(error="Prometheus cannot be reached")
    assert rack.counts == {
        RaspStatus.UP: 0,
        RaspStatus.DOWN: 0,
        RaspStatus.OFF: 0,
        RaspStatus.UNKNOWN: 48,
    }
    assert {rasp.reason for rasp in rack.rasps} == {"Prometheus cannot be reached"}
    assert {stack.power for stack in rack.stacks} == {PowerState.UNKNOWN}


def test_a_slot_in_which_nothing_was_found_says_so() -> None:
    rasp = build_rack_state(RACK, {}, [sample(STATE_SERIES, 1)]).rasps[9]
    assert (rasp.state, rasp.rasp) == (RaspStatus.UNKNOWN, None)
    assert rasp.reason == "not installed: no Pi is known in this slot"


def test_a_stacks_power_is_what_its_relay_was_told() -> None:
    rack = rack_state(commanded={3: commanded_power(is_on=True), 4: commanded_power(is_on=False)})
    assert [stack.power for stack in rack.stacks[1:4]] == [
        PowerState.UNKNOWN,
        PowerState.ON,
        PowerState.OFF,
    ]


def stack_3_samples(value: float) -> list[Sample]:
    return [sample(STATE_SERIES, value, slot=slot) for slot in "1234"]


@pytest.mark.parametrize(
    ("samples", "observed"),
    [
        ([sample(STATE_SERIES, 1)], PowerState.ON),
        ([*stack_3_samples(0), sample("probe_success", 1)], PowerState.ON),
        (stack_3_samples(0), PowerState.OFF),
        (stack_3_samples(4), PowerState.OFF),
        ([sample(STATE_SERIES, 0)], PowerState.UNKNOWN),  # nobody has asked the other three
        ([], PowerState.UNKNOWN),
    ],
)
def test_a_stacks_rasps_show_its_power(samples: list[Sample], observed: PowerState) -> None:
    assert rack_state(*samples).stacks[2].observed is observed


def test_a_stack_that_was_just_cut_is_off_before_prometheus_has_heard_of_it() -> None:
    rack = rack_state(*stack_3_samples(0), commanded={3: commanded_power(is_on=False, age=1)})
    assert {rasp.state for rasp in rack.stacks[2].rasps} == {RaspStatus.OFF}
    assert rack.issues.keys() == {
        (RaspStatus.UNKNOWN, "Prometheus has no recent reading of it"),
    }


def test_a_relay_that_is_stuck_on_is_told() -> None:
    rack = rack_state(*stack_3_samples(1), commanded={3: commanded_power(is_on=False, age=60)})
    assert rack.stacks[2].power_mismatch == (
        "it was switched off, and there are answers from 03-1, 03-2, 03-3, 03-4:"
        " its relay is stuck, or there is another supply"
    )
    [(wrong, _), rasps] = next(iter(rack.issues.items()))
    assert wrong is StackIssue.POWER
    assert [rasp.slot.name for rasp in rasps] == ["03-1", "03-2", "03-3", "03-4"]


def test_a_stack_that_was_given_power_and_stays_silent_is_told() -> None:
    rack = rack_state(*stack_3_samples(0), commanded={3: commanded_power(is_on=True, age=121)})
    assert rack.stacks[2].power_mismatch == (
        "it was switched on, and none of its rasps answers: see its relay, supply and switch"
    )


@pytest.mark.parametrize(
    ("value", "is_on", "ago"),
    [(1, False, 5), (0, True, 30), (1, True, 500), (0, False, 500)],
    ids=["just cut", "still boots", "on as commanded", "off as commanded"],
)
def test_where_power_is_as_commanded_or_soon_will_be_nothing_is_told(
    value: float, is_on: bool, ago: float
) -> None:
    rack = rack_state(*stack_3_samples(value), commanded={3: commanded_power(is_on=is_on, age=ago)})
    assert rack.stacks[2].power_mismatch == ""


def test_who_has_a_stack_is_told() -> None:
    rack = rack_state(reserved_by={3: "order 12: power_off"})
    assert [stack.reserved_by for stack in rack.stacks[2:4]] == ["order 12: power_off", ""]


def test_the_hottest_rasp_is_found_and_none_where_none_is_known() -> None:
    warm = [sample(STATE_SERIES, 2, slot=slot) for slot in ("1", "2", "3")] + [
        sample("pirack_cpu_temperature_celsius", value, slot=slot)
        for slot, value in (("1", 61.0), ("2", 66.5), ("3", 64.0))
    ]
    hottest = rack_state(*warm).hottest
    assert hottest is not None
    assert hottest.slot.name == "03-2"
    assert rack_state().hottest is None


def test_what_the_firmware_says_is_told_of_now_and_since_boot() -> None:
    def condition(name: str, since: str, value: float) -> Sample:
        labels = {"condition": name, "since": since}
        told = sample("pirack_power_condition", value)
        return Sample({**told.labels, **labels}, value)

    rasp = rasp_state_from(
        [
            sample(STATE_SERIES, 1),
            condition("under_voltage", "now", 0),
            condition("under_voltage", "boot", 1),
            condition("throttled", "now", 1),
            condition("throttled", "yesterday", 1),
        ]
    )
    assert rasp.conditions == frozenset({"throttled"})
    assert rasp.conditions_since_boot == frozenset({"under_voltage"})
    assert rasp_state_from([sample(STATE_SERIES, 1)]).conditions is None


def test_the_memory_in_use_is_known_where_both_its_readings_are() -> None:
    available = sample("pirack_memory_available_bytes", 250e6)
    total = sample("pirack_memory_total_bytes", 1e9)
    up = sample(STATE_SERIES, 1)
    assert rasp_state_from([up, available, total]).memory_used_ratio == 0.75
    assert rasp_state_from([up, available]).memory_used_ratio is None
    assert rasp_state_from([sample(STATE_SERIES, 0), available, total]).memory_used_ratio is None
