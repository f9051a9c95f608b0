"""What the controller makes of Prometheus' answer."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from controller.decide import STATE_SERIES, decide
from controller.prometheus import Sample
from controller.state import Doubt, Power, RackState, RaspState, State, Warmth
from rack.commanded import CommandedPower
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


def decided(
    *samples: Sample,
    trouble: str = "",
    commanded: Mapping[int, CommandedPower] | None = None,
    busy: Mapping[int, str] | None = None,
) -> RackState:
    return decide(RACK, INSTALLED, samples, trouble, commanded=commanded, busy=busy, now=NOW)


def commanded(*, is_on: bool, ago: float = 1000.0) -> CommandedPower:
    return CommandedPower(is_on, NOW - ago, "boot")


def rasp_of(samples: Iterable[Sample]) -> RaspState:
    return decided(*samples).rasps[9]


@pytest.mark.parametrize(
    ("value", "state", "warmth", "why"),
    [
        (0, State.DOWN, None, "its exporter does not answer"),
        (1, State.UP, Warmth.NORMAL, ""),
        (2, State.UP, Warmth.WARM, ""),
        (3, State.UP, Warmth.HOT, ""),
        (4, State.OFF, None, "its stack is switched off"),
        (17, State.UNKNOWN, None, "Prometheus has no recent reading of it"),
    ],
)
def test_each_value_of_the_state_rule_has_its_word(
    value: float, state: State, warmth: Warmth | None, why: str
) -> None:
    rasp = rasp_of([sample(STATE_SERIES, value)])
    assert (rasp.state, rasp.warmth, rasp.why) == (state, warmth, why)


def test_a_silent_exporter_on_a_living_pi_is_told_from_a_silent_pi() -> None:
    down = sample(STATE_SERIES, 0)
    assert rasp_of([down, sample("probe_success", 1)]).why == (
        "it answers ping, but its exporter does not"
    )
    assert rasp_of([down, sample("probe_success", 0)]).why == "neither it nor its exporter answers"


def test_the_readings_of_a_rasp_are_its_own() -> None:
    samples = [
        sample(STATE_SERIES, 1),
        sample("pirack_cpu_temperature_celsius", 48.3),
        sample("pirack_cpu_temperature_celsius", 70.0, slot="3"),
        sample("pirack_cpu_load1", 0.5),
        sample("pirack_boot_time_seconds", 1_700_000_000),
        sample("probe_success", 1),
    ]
    rasp = rasp_of(samples)
    assert rasp.temperature_celsius == 48.3
    assert rasp.load1 == 0.5
    assert rasp.boot_time_seconds == 1_700_000_000
    assert rasp.answers_ping is True


def test_the_last_readings_of_a_rasp_that_has_gone_are_not_shown() -> None:
    rasp = rasp_of([sample(STATE_SERIES, 0), sample("pirack_cpu_temperature_celsius", 48.3)])
    assert rasp.temperature_celsius is None


def test_without_an_answer_every_state_is_unknown_and_says_why() -> None:
    rack = decided(trouble="Prometheus cannot be reached")
    assert rack.counts == {State.UP: 0, State.DOWN: 0, State.OFF: 0, State.UNKNOWN: 48}
    assert {rasp.why for rasp in rack.rasps} == {"Prometheus cannot be reached"}
    assert {stack.power for stack in rack.stacks} == {Power.UNKNOWN}


def test_a_slot_in_which_nothing_was_found_says_so() -> None:
    rasp = decide(RACK, {}, [sample(STATE_SERIES, 1)]).rasps[9]
    assert (rasp.state, rasp.rasp) == (State.UNKNOWN, None)
    assert rasp.why == "not installed: no Pi is known in this slot"


def test_a_stacks_power_is_what_its_relay_was_told() -> None:
    rack = decided(commanded={3: commanded(is_on=True), 4: commanded(is_on=False)})
    assert [stack.power for stack in rack.stacks[1:4]] == [Power.UNKNOWN, Power.ON, Power.OFF]


def of_stack_3(value: float) -> list[Sample]:
    return [sample(STATE_SERIES, value, slot=slot) for slot in "1234"]


@pytest.mark.parametrize(
    ("samples", "observed"),
    [
        ([sample(STATE_SERIES, 1)], Power.ON),
        ([*of_stack_3(0), sample("probe_success", 1)], Power.ON),
        (of_stack_3(0), Power.OFF),
        (of_stack_3(4), Power.OFF),
        ([sample(STATE_SERIES, 0)], Power.UNKNOWN),  # nobody has asked the other three
        ([], Power.UNKNOWN),
    ],
)
def test_a_stacks_rasps_show_its_power(samples: list[Sample], observed: Power) -> None:
    assert decided(*samples).stacks[2].observed is observed


def test_a_stack_that_was_just_cut_is_off_before_prometheus_has_heard_of_it() -> None:
    rack = decided(*of_stack_3(0), commanded={3: commanded(is_on=False, ago=1)})
    assert {rasp.state for rasp in rack.stacks[2].rasps} == {State.OFF}
    assert rack.needing_care.keys() == {
        (State.UNKNOWN, "Prometheus has no recent reading of it"),
    }


def test_a_relay_that_is_stuck_on_is_told() -> None:
    rack = decided(*of_stack_3(1), commanded={3: commanded(is_on=False, ago=60)})
    assert rack.stacks[2].disagreement == (
        "it was switched off, and there are answers from 03-1, 03-2, 03-3, 03-4:"
        " its relay is stuck, or there is another supply"
    )
    [(wrong, _), rasps] = next(iter(rack.needing_care.items()))
    assert wrong is Doubt.POWER
    assert [rasp.slot.name for rasp in rasps] == ["03-1", "03-2", "03-3", "03-4"]


def test_a_stack_that_was_given_power_and_stays_silent_is_told() -> None:
    rack = decided(*of_stack_3(0), commanded={3: commanded(is_on=True, ago=121)})
    assert rack.stacks[2].disagreement == (
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
    rack = decided(*of_stack_3(value), commanded={3: commanded(is_on=is_on, ago=ago)})
    assert rack.stacks[2].disagreement == ""


def test_who_has_a_stack_is_told() -> None:
    rack = decided(busy={3: "order 12: power_off"})
    assert [stack.busy for stack in rack.stacks[2:4]] == ["order 12: power_off", ""]


def test_the_hottest_rasp_is_found_and_none_where_none_is_known() -> None:
    warm = [sample(STATE_SERIES, 2, slot=slot) for slot in ("1", "2", "3")] + [
        sample("pirack_cpu_temperature_celsius", value, slot=slot)
        for slot, value in (("1", 61.0), ("2", 66.5), ("3", 64.0))
    ]
    hottest = decided(*warm).hottest
    assert hottest is not None
    assert hottest.slot.name == "03-2"
    assert decided().hottest is None


def test_what_the_firmware_says_is_told_of_now_and_since_boot() -> None:
    def condition(name: str, since: str, value: float) -> Sample:
        labels = {"condition": name, "since": since}
        told = sample("pirack_power_condition", value)
        return Sample({**told.labels, **labels}, value)

    rasp = rasp_of(
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
    assert rasp_of([sample(STATE_SERIES, 1)]).conditions is None


def test_the_memory_in_use_is_known_where_both_its_readings_are() -> None:
    available = sample("pirack_memory_available_bytes", 250e6)
    total = sample("pirack_memory_total_bytes", 1e9)
    up = sample(STATE_SERIES, 1)
    assert rasp_of([up, available, total]).memory_used_ratio == 0.75
    assert rasp_of([up, available]).memory_used_ratio is None
    assert rasp_of([sample(STATE_SERIES, 0), available, total]).memory_used_ratio is None
