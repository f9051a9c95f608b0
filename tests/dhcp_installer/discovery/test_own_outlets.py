"""Discovery of the slots of rasps with outlets of their own, on a simulated rack with faults."""

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from dhcp_installer import SlotEvidence
from dhcp_installer.discovery.strategy import DiscoveryResult, PowerOff, PowerOn, Strategy
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from rack.layout import Outlet
from tests.dhcp_installer.harsh_trials import harsh_trial
from tests.dhcp_installer.outlets import rasp_counts, slot_outlet, stack_outlet
from tests.dhcp_installer.simulated_rack import (
    FAULTS,
    LONG_PING_INTERVAL,
    PING_INTERVAL,
    SimulatedPi,
    SimulatedRack,
    healthy_pis,
)

# `make test` runs few trials, and `make verify` all of them.
TRIALS = pytest.mark.parametrize(
    "trials", [pytest.param(8, id="few"), pytest.param(30, id="all", marks=pytest.mark.verify)]
)
HARSH_TRIALS = 15  # `python -m bench.installer --own-outlets --harsh-trials` runs more
BOTH_STRATEGIES = pytest.mark.parametrize("strategy", [SwitchOffEach, SwitchOnEach])


def own_outlets(stacks: int, slots: int = 4) -> dict[Outlet, int]:
    """Return the outlets of a rack with an outlet for each slot."""
    numbers = range(1, stacks + 1)
    return rasp_counts(dict.fromkeys(numbers, slots), own=numbers)


def run_discovery(
    pis: list[SimulatedPi],
    strategy: type[Strategy],
    outlets: Mapping[Outlet, int] | None = None,
    *,
    seed: int = 17,
    **options: Any,
) -> tuple[DiscoveryResult, SimulatedRack]:
    """Run a strategy, by default on a rack of 48 rasps with outlets of their own."""
    ping_interval = PING_INTERVAL if strategy is SwitchOffEach else LONG_PING_INTERVAL
    rack = SimulatedRack(pis, Random(seed), ping_interval=ping_interval, **options)
    return rack.discover(strategy(outlets or own_outlets(12))), rack


def placed_macs(result: DiscoveryResult) -> set[str]:
    return {mac for macs in result.outlets.values() for mac in macs}


def cut_counts(rack: SimulatedRack) -> Counter[Outlet]:
    """Return how often each outlet was switched off, including once before all rasps boot."""
    return Counter(
        outlet
        for _, command in rack.commands
        if isinstance(command, PowerOff)
        for outlet in command.outlets
    )


@BOTH_STRATEGIES
@pytest.mark.parametrize("stacks", [1, 3, 12])
def test_slot_of_each_rasp_is_found(strategy: type[Strategy], stacks: int) -> None:
    pis = healthy_pis(stacks, own=True)
    result, rack = run_discovery(pis, strategy, own_outlets(stacks))
    assert {mac: (outlet,) for outlet, macs in result.outlets.items() for mac in macs} == {
        pi.mac: (pi.outlet,) for pi in pis
    }
    assert result.slots == {pi.mac: pi.outlet.slot for pi in pis if pi.outlet is not None}
    has_groups = stacks == 12 or (stacks == 3 and strategy is SwitchOnEach)
    evidence = SlotEvidence.ROW_AND_COLUMN if has_groups else SlotEvidence.OUTLET
    assert result.slot_evidence == dict.fromkeys(result.slots, evidence)
    assert (result.missing, result.conflicts, result.unplaced) == ({}, {}, frozenset())
    assert all(rack.power.values())


@TRIALS
@BOTH_STRATEGIES
@pytest.mark.parametrize("fault", FAULTS)
def test_no_rasp_is_placed_in_a_wrong_slot(
    strategy: type[Strategy], fault: str, trials: int
) -> None:
    unplaced_count = 0
    for seed in range(trials):
        random = Random(seed)
        pis = healthy_pis(12, own=True)
        FAULTS[fault](pis, random)
        result, rack = run_discovery(pis, strategy, seed=seed)
        assert rack.misplaced(result) == [], seed
        assert all(rack.power.values()), seed
        placed = placed_macs(result)
        assert {pi.mac for pi in pis if pi.is_dead}.isdisjoint(placed)
        assert sum(result.missing.values()) == len(pis) - len(placed)
        unplaced_count += sum(not pi.is_dead for pi in pis) - len(placed)
    assert unplaced_count <= trials * 1.5


def test_48_outlets_are_cut_in_14_groups_and_each_rasp_loses_power_three_times() -> None:
    _, rack = run_discovery(healthy_pis(12, own=True), SwitchOffEach)
    assert set(cut_counts(rack).values()) == {3}
    cuts = [command for _, command in rack.commands if isinstance(command, PowerOff)]
    assert len(cuts) == 6 + 14  # all outlets in batches of 8, then the groups


def test_few_outlets_are_cut_one_by_one_so_that_the_rasps_boot_less_often() -> None:
    pis = healthy_pis(3, own=True)
    result, rack = run_discovery(pis, SwitchOffEach, own_outlets(3))
    assert result.missing == {}
    assert set(cut_counts(rack).values()) == {2}


def test_groups_save_a_quarter_of_the_time_of_single_cuts() -> None:
    _, in_groups = run_discovery(healthy_pis(12, own=True), SwitchOffEach)
    single_pis = [
        SimulatedPi(f"b8:27:eb:00:{stack:02x}:01", stack_outlet(stack)) for stack in range(1, 49)
    ]
    outlets = rasp_counts(dict.fromkeys(range(1, 49), 1))
    _, one_by_one = run_discovery(single_pis, SwitchOffEach, outlets)
    assert in_groups.now < 0.75 * one_by_one.now


def test_at_most_eight_rasps_are_switched_on_at_once() -> None:
    _, rack = run_discovery(healthy_pis(30, own=True), SwitchOffEach, own_outlets(30))
    times = Counter(
        {
            time: len(command.outlets)
            for time, command in rack.commands
            if isinstance(command, PowerOn)
        }
    )
    assert max(times.values()) == 8


@BOTH_STRATEGIES
def test_dead_rasp_is_missing_only_in_its_slot(strategy: type[Strategy]) -> None:
    pis = healthy_pis(12, own=True)
    pis[21].is_dead = True
    result, _ = run_discovery(pis, strategy)
    assert result.missing == {pis[21].outlet: 1}
    assert result.missing_by_stack == {6: 1}
    assert result.unplaced == frozenset()


@BOTH_STRATEGIES
def test_rasp_at_an_outlet_that_does_not_switch_gets_no_slot(strategy: type[Strategy]) -> None:
    pis = healthy_pis(12, own=True)
    stuck = pis[10]
    assert stuck.outlet is not None
    result, _ = run_discovery(pis, strategy, stuck_outlets=frozenset({stuck.outlet}))
    assert result.missing == {stuck.outlet: 1}
    assert result.unplaced | result.conflicts.keys() == {stuck.mac}


@BOTH_STRATEGIES
def test_two_rasps_at_the_outlet_of_one_slot_are_reported(strategy: type[Strategy]) -> None:
    second = SimulatedPi("b8:27:eb:ff:00:02", slot_outlet(3, 2))
    pis = [*healthy_pis(12, own=True), second]
    result, rack = run_discovery(pis, strategy)
    assert rack.misplaced(result) == []
    macs = {pi.mac for pi in pis if pi.outlet == second.outlet}
    assert macs.isdisjoint(placed_macs(result))
    assert macs <= result.conflicts.keys() | result.unplaced
    if strategy is SwitchOffEach:
        assert result.conflicts == {mac: {second.outlet} for mac in macs}
        assert result.missing == {second.outlet: 1}


@BOTH_STRATEGIES
def test_rasp_with_its_own_power_supply_gets_no_slot(strategy: type[Strategy]) -> None:
    independent = SimulatedPi("b8:27:eb:ff:00:01", None, renewal_interval=10.0)
    result, _ = run_discovery([*healthy_pis(12, own=True), independent], strategy)
    assert result.unplaced | result.conflicts.keys() == {independent.mac}
    assert result.missing == {}


def test_one_by_one_finds_the_slots_of_rasps_that_ignore_pings() -> None:
    pis = healthy_pis(12, own=True)
    for pi in pis:
        pi.ignores_pings = True
    result, rack = run_discovery(pis, SwitchOnEach)
    assert result.missing == {}
    assert rack.misplaced(result) == []


@BOTH_STRATEGIES
def test_mixed_rack_has_slots_for_rasps_with_own_outlets_only(strategy: type[Strategy]) -> None:
    pis = [*healthy_pis(8, own=True), *healthy_pis(12)[32:]]
    outlets = rasp_counts(dict.fromkeys(range(1, 13), 4), own=range(1, 9))
    result, rack = run_discovery(pis, strategy, outlets)
    assert rack.misplaced(result) == []
    assert (result.missing, result.conflicts, result.unplaced) == ({}, {}, frozenset())
    assert len(result.slots) == 32
    assert result.slot_evidence.keys() == result.slots.keys()
    assert {len(macs) for outlet, macs in result.outlets.items() if outlet.stack > 8} == {4}


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.5])
def test_slow_outlets_misplace_no_rasp(seconds: float) -> None:
    """For example, a PoE switch that needs this time for each port."""
    for seed in range(5):
        pis = healthy_pis(12, own=True)
        FAULTS["mix"](pis, Random(seed))
        result, rack = run_discovery(pis, SwitchOffEach, seed=seed, switching_seconds=seconds)
        assert rack.misplaced(result) == [], seed
        healthy_macs = {pi.mac for pi in pis if not pi.is_dead and not pi.is_slow}
        assert len(healthy_macs - placed_macs(result)) <= 1, seed


def test_rasps_that_boot_faster_than_their_switch_switches_are_found() -> None:
    """Otherwise, the time that the switch takes counts as boot time, and replies seem too early."""
    pis = healthy_pis(3, 3, own=True)
    options: dict[str, Any] = {"boot_seconds": (0.5, 0.6), "switching_seconds": 1.5, "seed": 0}
    result, rack = run_discovery(pis, SwitchOffEach, own_outlets(3, 3), **options)
    assert rack.misplaced(result) == []
    assert placed_macs(result) == {pi.mac for pi in pis}


@TRIALS
@BOTH_STRATEGIES
def test_late_pings_and_log_lines_misplace_no_rasp(strategy: type[Strategy], trials: int) -> None:
    unplaced_count = 0
    for seed in range(trials):
        pis = healthy_pis(12, own=True)
        result, rack = run_discovery(
            pis, strategy, seed=seed, ping_stall_probability=0.01, log_stall_probability=0.01
        )
        assert rack.misplaced(result) == [], seed
        unplaced_count += len(pis) - len(placed_macs(result))
    assert unplaced_count <= trials * 48 * 0.01


def assert_harsh_trials_misplace_no_rasp(
    strategy: type[Strategy], seeds: range, own_probability: float
) -> None:
    """Assert that no rasp is misplaced, and at most 1 % of the placeable rasps are not placed."""
    placeable_count = unplaced_count = 0
    ping_interval = PING_INTERVAL if strategy is SwitchOffEach else LONG_PING_INTERVAL
    for seed in seeds:
        trial = harsh_trial(seed, ping_interval=ping_interval, own_probability=own_probability)
        result = trial.rack.discover(strategy(trial.rasp_counts))
        assert trial.rack.misplaced(result) == [], seed
        assert all(trial.rack.power.values()), seed
        placeable_count += len(trial.placeable_macs)
        unplaced_count += len(trial.placeable_macs - placed_macs(result))
    assert unplaced_count <= placeable_count * 0.01


@BOTH_STRATEGIES
@pytest.mark.parametrize("own_probability", [0.5, 1.0])
def test_harsh_trials_misplace_no_rasp(strategy: type[Strategy], own_probability: float) -> None:
    assert_harsh_trials_misplace_no_rasp(strategy, range(HARSH_TRIALS), own_probability)


@pytest.mark.verify
@pytest.mark.timeout(1800)
@BOTH_STRATEGIES
@pytest.mark.parametrize("own_probability", [0.5, 1.0])
def test_many_harsh_trials_misplace_no_rasp(
    strategy: type[Strategy], own_probability: float
) -> None:
    assert_harsh_trials_misplace_no_rasp(strategy, range(HARSH_TRIALS, 1_000), own_probability)
