"""Building the rack's state from Prometheus samples."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from controller.state.build import STATE_SERIES, build_rack_state
from controller.state.model import (
    PowerState,
    RackState,
    RaspOperation,
    RaspState,
    RaspStatus,
    TemperatureLevel,
)
from controller.state.prometheus import Sample
from rack.inventory import Rasp
from rack.layout_file import load
from rack.power.commanded_power import CommandedPower

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
    operations: Mapping[int, RaspOperation] | None = None,
) -> RackState:
    """Return the state of the rack. `commanded` is keyed by stack number."""
    powers = {RACK.outlet(stack): power for stack, power in (commanded or {}).items()}
    return build_rack_state(
        RACK,
        INSTALLED,
        samples,
        error,
        commanded=powers,
        reserved_by=reserved_by,
        operations=operations,
        now=NOW,
    )


def commanded_power(*, is_on: bool, age: float = 1000.0) -> CommandedPower:
    return CommandedPower(is_on, NOW - age, "boot")


def rasp_state_from(samples: Iterable[Sample]) -> RaspState:
    return rack_state(*samples).rasps[9]


@pytest.mark.parametrize(
    ("value", "state", "level", "reason"),
    [
        (0, RaspStatus.DOWN, None, "its exporter does not answer"),
        (1, RaspStatus.UP, TemperatureLevel.NORMAL, ""),
        (2, RaspStatus.UP, TemperatureLevel.WARM, ""),
        (3, RaspStatus.UP, TemperatureLevel.HOT, ""),
        (4, RaspStatus.OFF, None, "its stack is switched off"),
        (17, RaspStatus.UNKNOWN, None, "Prometheus has no recent sample"),
    ],
)
def test_state_rule_value_maps_to_state_and_temperature_level(
    value: float, state: RaspStatus, level: TemperatureLevel | None, reason: str
) -> None:
    rasp = rasp_state_from([sample(STATE_SERIES, value)])
    assert (rasp.state, rasp.temperature_level, rasp.reason) == (state, level, reason)


def test_reason_distinguishes_exporter_down_from_rasp_down() -> None:
    down = sample(STATE_SERIES, 0)
    assert rasp_state_from([down, sample("probe_success", 1)]).reason == (
        "the rasp answers ping, but its exporter does not"
    )
    assert (
        rasp_state_from([down, sample("probe_success", 0)]).reason
        == "neither the rasp nor its exporter answers"
    )


def test_samples_are_assigned_to_their_own_slot() -> None:
    samples = [
        sample(STATE_SERIES, 1),
        sample("pirack_cpu_temperature_celsius", 48.3),
        sample("pirack_cpu_temperature_celsius", 70.0, slot="3"),
        sample("pirack_cpu_load1", 0.5),
        sample("pirack_boot_time_seconds", 1_700_000_000),
        sample("pirack_uptime_seconds", 3600),
        sample("probe_success", 1),
    ]
    rasp = rasp_state_from(samples)
    assert rasp.temperature_celsius == 48.3
    assert rasp.load1 == 0.5
    assert rasp.boot_time_seconds == 1_700_000_000
    assert (rasp.uptime_seconds, rasp.clock_offset_seconds, rasp.is_clock_off) == (3600, None, None)
    assert rasp.answers_ping is True


def test_last_samples_of_down_rasp_are_ignored() -> None:
    rasp = rasp_state_from(
        [sample(STATE_SERIES, 0), sample("pirack_cpu_temperature_celsius", 48.3)]
    )
    assert rasp.temperature_celsius is None


def test_reason_of_an_unknown_state_names_the_quarantine() -> None:
    assert rasp_state_from([sample("ALERTS", 1)]).reason == (
        "quarantined: the rasp exported too many or changing series"
    )


def test_rasp_cannot_forge_computed_values() -> None:
    forged = Sample(
        {"__name__": "pirack_cpu_load1", "stack": "03", "slot": "2", "computed": STATE_SERIES}, 4
    )
    rasp = rasp_state_from([sample(STATE_SERIES, 0), forged])
    assert rasp.state is RaspStatus.DOWN


def test_failed_query_makes_every_state_unknown_with_reason() -> None:
    rack = rack_state(error="Prometheus cannot be reached")
    assert rack.counts == {
        RaspStatus.UP: 0,
        RaspStatus.DOWN: 0,
        RaspStatus.OFF: 0,
        RaspStatus.UNKNOWN: 48,
    }
    assert {rasp.reason for rasp in rack.rasps} == {"Prometheus cannot be reached"}
    assert {stack.power for stack in rack.stacks} == {PowerState.UNKNOWN}


def test_slot_without_rasp_is_not_installed() -> None:
    rasp = build_rack_state(RACK, {}, [sample(STATE_SERIES, 1)]).rasps[9]
    assert (rasp.state, rasp.rasp) == (RaspStatus.UNKNOWN, None)
    assert rasp.reason == "not installed: no Pi is known in this slot"


def test_stack_power_is_the_commanded_power() -> None:
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
        ([sample(STATE_SERIES, 0)], PowerState.UNKNOWN),  # no samples of the other three rasps
        ([], PowerState.UNKNOWN),
    ],
)
def test_observed_power_follows_from_rasp_states(
    samples: list[Sample], observed: PowerState
) -> None:
    assert rack_state(*samples).stacks[2].observed is observed


def test_stack_switched_off_is_off_before_prometheus_scrapes_the_command() -> None:
    rack = rack_state(*stack_3_samples(0), commanded={3: commanded_power(is_on=False, age=1)})
    assert {rasp.state for rasp in rack.stacks[2].rasps} == {RaspStatus.OFF}
    assert rack.power_warnings == {}


def test_responding_rasps_of_switched_off_stack_are_a_power_mismatch() -> None:
    rack = rack_state(*stack_3_samples(1), commanded={3: commanded_power(is_on=False, age=60)})
    assert rack.stacks[2].power_mismatch == (
        "switched off, but 03-1, 03-2, 03-3, 03-4 still respond:"
        " check for a stuck relay or another supply"
    )
    [rasps] = rack.power_warnings.values()
    assert [rasp.slot.name for rasp in rasps] == ["03-1", "03-2", "03-3", "03-4"]


def test_unresponsive_rasps_of_switched_on_stack_are_a_power_mismatch() -> None:
    rack = rack_state(*stack_3_samples(0), commanded={3: commanded_power(is_on=True, age=121)})
    assert rack.stacks[2].power_mismatch == (
        "switched on, but no rasp responds: check the relay, the wiring, the supply and the switch."
        " Rasps that were shut down need a power cycle"
    )


@pytest.mark.parametrize(
    ("is_on", "mismatch"),
    [(False, "commanded off, but its relay is on"), (True, "commanded on, but its relay is off")],
)
def test_relay_that_differs_from_a_recent_command_is_a_power_mismatch(
    is_on: bool, mismatch: str
) -> None:
    command = replace(commanded_power(is_on=is_on, age=0), outlet_differs=True)
    rack = rack_state(commanded={3: command, 4: command, 5: commanded_power(is_on=is_on)})
    assert [(stack.power, stack.outlet_differs) for stack in rack.stacks[2:4]] == [
        (PowerState.ON if is_on else PowerState.OFF, True)
    ] * 2
    assert rack.stacks[2].power_mismatch == (
        f"{mismatch}: an order was interrupted, or the pin was released. Use power on or power off"
    )
    assert rack.stacks[4].power_mismatch == ""
    [rasps] = rack.power_warnings.values()
    assert {rasp.slot.stack_name for rasp in rasps} == {"03", "04"}


def test_unresponsive_rasp_is_down_and_not_off_if_its_relay_is_on() -> None:
    command = commanded_power(is_on=False)
    for value in (0, 4):  # before and after Prometheus scrapes the command
        samples = stack_3_samples(value)
        off = rack_state(*samples, commanded={3: command})
        assert {rasp.state for rasp in off.stacks[2].rasps} == {RaspStatus.OFF}
        on = rack_state(*samples, commanded={3: replace(command, outlet_differs=True)})
        assert {rasp.state for rasp in on.stacks[2].rasps} == {RaspStatus.DOWN}


@pytest.mark.parametrize(
    ("value", "is_on", "age"),
    [(1, False, 5), (0, True, 30), (1, True, 500), (0, False, 500)],
    ids=["just switched off", "still booting", "on as commanded", "off as commanded"],
)
def test_agreeing_or_recently_commanded_power_is_no_mismatch(
    value: float, is_on: bool, age: float
) -> None:
    rack = rack_state(*stack_3_samples(value), commanded={3: commanded_power(is_on=is_on, age=age)})
    assert rack.stacks[2].power_mismatch == ""


def test_stack_state_contains_reservation_holder() -> None:
    rack = rack_state(reserved_by={3: "order 12: power_off"})
    assert [stack.reserved_by for stack in rack.stacks[2:4]] == ["order 12: power_off", ""]


def test_hottest_rasp_is_none_without_temperatures() -> None:
    warm = [sample(STATE_SERIES, 2, slot=slot) for slot in ("1", "2", "3")] + [
        sample("pirack_cpu_temperature_celsius", value, slot=slot)
        for slot, value in (("1", 61.0), ("2", 66.5), ("3", 64.0))
    ]
    hottest = rack_state(*warm).hottest
    assert hottest is not None
    assert hottest.slot.name == "03-2"
    assert rack_state().hottest is None


def test_firmware_conditions_are_split_into_now_and_since_boot() -> None:
    def condition(name: str, since: str, value: float) -> Sample:
        labels = {"condition": name, "since": since}
        unlabelled = sample("pirack_power_condition", value)
        return Sample({**unlabelled.labels, **labels}, value)

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


def test_condition_of_an_earlier_scrape_is_a_condition_since_boot() -> None:
    def condition(series: str, value: float, **labels: str) -> Sample:
        return Sample({**sample(series, value).labels, "condition": "throttled", **labels}, value)

    up = sample(STATE_SERIES, 1)
    remembered = condition(
        "rack_stack_slot_condition:pirack_power_condition_read_timestamp_seconds:max", 1.7e9
    )
    cleared = [condition("pirack_power_condition", 0, since=since) for since in ("now", "boot")]
    rasp = rasp_state_from([up, remembered, *cleared])
    assert rasp.conditions == frozenset()
    assert rasp.conditions_since_boot == frozenset({"throttled"})
    assert rasp_state_from([up, remembered]).conditions_since_boot is None


def test_memory_used_ratio_requires_available_and_total_memory() -> None:
    available = sample("pirack_memory_available_bytes", 250e6)
    total = sample("pirack_memory_total_bytes", 1e9)
    up = sample(STATE_SERIES, 1)
    assert rasp_state_from([up, available, total]).memory_used_ratio == 0.75
    assert rasp_state_from([up, available]).memory_used_ratio is None
    assert rasp_state_from([sample(STATE_SERIES, 0), available, total]).memory_used_ratio is None


LAST_SEEN = "rack_stack_slot:pirack_last_scrape_timestamp_seconds:max"
LAST_TEMPERATURE = "rack_stack_slot:pirack_last_cpu_temperature_celsius:max"


def test_last_temperature_of_a_rasp_that_is_down_is_not_its_temperature() -> None:
    last = [sample(LAST_SEEN, 1000.0), sample(LAST_TEMPERATURE, 51.0)]
    down = rasp_state_from([sample(STATE_SERIES, 0), *last])
    assert down.temperature_celsius is None
    assert (down.down_since, down.last_temperature_celsius) == (1000.0, 51.0)
    up = rasp_state_from([sample(STATE_SERIES, 1), *last])
    assert (up.down_since, up.last_seen_at, up.last_temperature_celsius) == (None, None, None)


def test_rasp_that_is_not_up_because_of_an_order_or_install_is_counted_by_its_operation() -> None:
    operations = {9: RaspOperation.SHUTTING_DOWN, 10: RaspOperation.INSTALLING}
    samples = [
        sample(STATE_SERIES, state, slot=slot) for slot, state in (("1", 1), ("2", 0), ("3", 0))
    ]
    state = rack_state(*samples, operations=operations)
    assert state.counts[RaspStatus.UP] == 1
    assert state.counts[RaspStatus.DOWN] == 1
    assert state.operations == {RaspOperation.INSTALLING: 1}
    assert state.rasps[9].state is RaspStatus.DOWN


@pytest.mark.parametrize(
    ("age", "unseen_seconds", "operation"),
    [(10.0, None, RaspOperation.BOOTING), (10.0, 20.0, RaspOperation.BOOTING), (10.0, 5.0, None)],
)
def test_rasp_is_booting_until_it_is_scraped_after_it_got_power(
    age: float, unseen_seconds: float | None, operation: RaspOperation | None
) -> None:
    samples = [sample(STATE_SERIES, 0)]
    if unseen_seconds is not None:
        samples.append(
            Sample({"computed": "unseen_seconds", "stack": "03", "slot": "2"}, unseen_seconds)
        )
    commanded = {3: commanded_power(is_on=True, age=age)}
    assert rack_state(*samples, commanded=commanded).rasps[9].operation is operation
    boot_seconds = RACK.orders.boot_seconds
    commanded = {3: commanded_power(is_on=True, age=boot_seconds + 1)}
    assert rack_state(*samples, commanded=commanded).rasps[9].operation is None
