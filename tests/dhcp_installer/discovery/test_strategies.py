"""Discovery strategies on a simulated rack with faults."""

from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from dhcp_installer.discovery.strategy import (
    DiscoveryResult,
    PowerOff,
    PowerOn,
    Strategy,
)
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from rack.layout import Outlet
from tests.dhcp_installer.harsh_trials import harsh_trial
from tests.dhcp_installer.original_strategy import OriginalStrategy
from tests.dhcp_installer.outlets import rasp_counts, stack_outlet
from tests.dhcp_installer.simulated_rack import (
    FAULTS,
    LONG_PING_INTERVAL,
    PING_INTERVAL,
    SimulatedPi,
    SimulatedRack,
    healthy_pis,
    mixed_faults,
)

# `make test` runs few trials, `make verify` all of them, and `python -m bench.installer` more.
FEW_TRIALS, ALL_TRIALS = 20, 100
TRIALS = pytest.mark.parametrize(
    "trials",
    [
        pytest.param(FEW_TRIALS, id="few"),
        pytest.param(ALL_TRIALS, id="all", marks=pytest.mark.verify),
    ],
)
HARSH_TRIALS = 50
BOTH_STRATEGIES = pytest.mark.parametrize("strategy", [SwitchOffEach, SwitchOnEach])


def counts(stacks: int, *, own: bool = False) -> dict[Outlet, int]:
    """Return the number of rasps at each outlet of stacks of four."""
    numbers = range(1, stacks + 1)
    return rasp_counts(dict.fromkeys(numbers, 4), own=numbers if own else ())


def run_discovery(
    pis: list[SimulatedPi],
    strategy: type[Strategy],
    *,
    seed: int = 2016,
    **options: Any,
) -> tuple[DiscoveryResult, SimulatedRack]:
    ping_interval = PING_INTERVAL if strategy is SwitchOffEach else LONG_PING_INTERVAL
    rack = SimulatedRack(pis, Random(seed), ping_interval=ping_interval, **options)
    outlets = {pi.outlet for pi in pis if pi.outlet is not None}
    stacks = max(outlet.stack for outlet in outlets)
    own = any(outlet.slot is not None for outlet in outlets)
    return rack.discover(strategy(counts(stacks, own=own))), rack


def switched_stacks(rack: SimulatedRack, command_type: type[PowerOff] | type[PowerOn]) -> list[int]:
    """Return the stacks of all outlets in these commands."""
    return [
        outlet.stack
        for _, command in rack.commands
        if isinstance(command, command_type)
        for outlet in command.outlets
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stacks", "trials"),
    [
        pytest.param(12, FEW_TRIALS, id="few"),
        pytest.param(48, FEW_TRIALS // 5, id="few-large"),
        pytest.param(12, ALL_TRIALS, id="all", marks=pytest.mark.verify),
        pytest.param(48, ALL_TRIALS, id="all-large", marks=pytest.mark.verify),
    ],
)
@pytest.mark.parametrize("fault", FAULTS)
@BOTH_STRATEGIES
def test_no_rasp_is_misplaced_and_all_stacks_are_on_at_the_end(
    strategy: type[Strategy], fault: str, stacks: int, trials: int
) -> None:
    for seed in range(trials):
        random = Random(seed)
        pis = healthy_pis(stacks)
        FAULTS[fault](pis, random)
        result, rack = run_discovery(pis, strategy, seed=seed)
        assert rack.misplaced(result) == [], seed
        assert all(rack.power.values()), seed
        placed = {mac for macs in result.outlets.values() for mac in macs}
        assert {pi.mac for pi in pis if pi.is_dead}.isdisjoint(placed)
        assert sum(result.missing.values()) == len(pis) - len(placed)


@pytest.mark.slow
@TRIALS
@pytest.mark.parametrize("stacks", [1, 3, 12])
def test_cut_misplaces_no_rasp_on_a_rack_with_many_faults(stacks: int, trials: int) -> None:
    for seed in range(trials):
        random = Random(seed)
        pis = healthy_pis(stacks)
        for pi in pis:
            pi.is_dead = random.random() < 0.15
            pi.reboot_after = random.uniform(0, 100) if random.random() < 0.3 else None
            pi.is_sometimes_slow = random.random() < 0.1
        result, rack = run_discovery(pis, SwitchOffEach, seed=seed)
        assert rack.misplaced(result) == [], seed


def test_original_strategy_misplaces_rasps() -> None:
    """This shows that the simulated faults can misplace rasps."""
    misplaced_count = 0
    for seed in range(30):
        pis = healthy_pis(12)
        mixed_faults(pis, Random(seed))
        result, rack = run_discovery(pis, OriginalStrategy, seed=seed)
        misplaced_count += len(rack.misplaced(result))
    assert misplaced_count > 30


@BOTH_STRATEGIES
@pytest.mark.parametrize("dead", [1, 22, 48])
def test_dead_rasp_is_missing_only_in_its_stack(strategy: type[Strategy], dead: int) -> None:
    pis = healthy_pis(12)
    pis[dead - 1].is_dead = True
    result, _ = run_discovery(pis, strategy)
    assert result.missing == {pis[dead - 1].outlet: 1}
    assert result.unplaced == frozenset()


@BOTH_STRATEGIES
def test_laptop_is_reported_and_not_placed(strategy: type[Strategy]) -> None:
    laptop = SimulatedPi("3c:52:82:00:00:01", None, renewal_interval=10.0)
    result, _ = run_discovery([*healthy_pis(3), laptop], strategy)
    assert result.other_vendor_macs == {laptop.mac}
    assert result.missing == {}
    assert laptop.mac not in result.unplaced


def test_cut_does_not_place_a_rasp_with_its_own_power_supply() -> None:
    independent = SimulatedPi("b8:27:eb:ff:00:01", None, renewal_interval=10.0)
    result, _ = run_discovery([*healthy_pis(3), independent], SwitchOffEach)
    assert result.unplaced == {independent.mac}
    assert result.missing == {}


def test_one_by_one_reports_a_rasp_with_its_own_power_supply_as_a_conflict() -> None:
    independent = SimulatedPi("b8:27:eb:ff:00:01", None, renewal_interval=10.0)
    result, rack = run_discovery([*healthy_pis(3), independent], SwitchOnEach)
    assert result.conflicts == {independent.mac: set(map(stack_outlet, (1, 2, 3)))}
    assert result.missing == {}
    probed = switched_stacks(rack, PowerOn)
    assert probed == [1, 2, 3, 1, 2, 3, 1, 2, 3]  # first, for the conflict, and at the end


def test_cut_does_not_place_rasps_that_ignore_pings() -> None:
    pis = healthy_pis(3)
    for pi in pis[:4]:
        pi.ignores_pings = True
    result, _ = run_discovery(pis, SwitchOffEach)
    assert result.unplaced == {pi.mac for pi in pis[:4]}
    assert result.missing == {stack_outlet(1): 4}


def test_one_by_one_finds_rasps_that_ignore_pings() -> None:
    pis = healthy_pis(3)
    for pi in pis:
        pi.ignores_pings = True
    result, rack = run_discovery(pis, SwitchOnEach)
    assert result.missing == {}
    assert rack.misplaced(result) == []


@pytest.mark.parametrize("hold_up", [(0.0, 0.05), (2.9, 3.3), (3.5, 5.0)])
def test_cut_misplaces_no_rasp_whatever_the_hold_up_time_is(hold_up: tuple[float, float]) -> None:
    for seed in range(10):
        pis = healthy_pis(12)
        mixed_faults(pis, Random(seed))
        result, rack = run_discovery(pis, SwitchOffEach, seed=seed, hold_up_seconds=hold_up)
        assert rack.misplaced(result) == [], seed


@BOTH_STRATEGIES
def test_stack_with_a_stuck_relay_has_no_rasps(strategy: type[Strategy]) -> None:
    pis = healthy_pis(4)
    result, _ = run_discovery(pis, strategy, stuck_outlets=frozenset({stack_outlet(2)}))
    assert result.missing == {stack_outlet(2): 4}
    assert result.unplaced | result.conflicts.keys() == {
        pi.mac for pi in pis if pi.outlet == stack_outlet(2)
    }


def test_cut_cuts_each_stack_again_if_a_stack_is_empty() -> None:
    pis = healthy_pis(4)
    result, rack = run_discovery(pis, SwitchOffEach, stuck_outlets=frozenset({stack_outlet(2)}))
    cuts = Counter(switched_stacks(rack, PowerOff)[4:])
    assert min(cuts[stack] for stack in (1, 3, 4)) >= 2
    assert result.missing == {stack_outlet(2): 4}


@BOTH_STRATEGIES
def test_rasp_whose_address_a_stranger_uses_is_reported(strategy: type[Strategy]) -> None:
    pis = healthy_pis(4)
    pis[5].has_stranger = True
    result, rack = run_discovery(pis, strategy)
    assert rack.misplaced(result) == []
    assert result.missing == {stack_outlet(2): 1}
    assert result.unplaced | result.conflicts.keys() == {pis[5].mac}


def assert_harsh_trials_misplace_no_rasp(strategy: type[Strategy], seeds: range) -> None:
    """Assert that no rasp is misplaced, and at most 1 % of the placeable rasps are not placed."""
    placeable_count = unplaced_count = 0
    for seed in seeds:
        trial = harsh_trial(seed)
        result = trial.rack.discover(strategy(trial.rasp_counts))
        assert trial.rack.misplaced(result) == [], seed
        assert all(trial.rack.power.values()), seed
        placed = {mac for macs in result.outlets.values() for mac in macs}
        placeable_count += len(trial.placeable_macs)
        unplaced_count += len(trial.placeable_macs - placed)
    assert unplaced_count <= placeable_count * 0.01


@pytest.mark.slow
@BOTH_STRATEGIES
def test_harsh_trials_misplace_no_rasp(strategy: type[Strategy]) -> None:
    assert_harsh_trials_misplace_no_rasp(strategy, range(HARSH_TRIALS))


@pytest.mark.verify
@BOTH_STRATEGIES
def test_many_harsh_trials_misplace_no_rasp(strategy: type[Strategy]) -> None:
    assert_harsh_trials_misplace_no_rasp(strategy, range(HARSH_TRIALS, 10_000))


@pytest.mark.parametrize(
    ("stacks", "slots"),
    [(8, 16), pytest.param(26, 40, marks=[pytest.mark.verify, pytest.mark.timeout(1800)])],
)
def test_cut_misplaces_no_rasp_in_a_large_rack(stacks: int, slots: int) -> None:
    trial = harsh_trial(26, [slots] * stacks)
    result = trial.rack.discover(SwitchOffEach(trial.rasp_counts))
    assert trial.rack.misplaced(result) == []
    placed = {mac for macs in result.outlets.values() for mac in macs}
    assert len(trial.placeable_macs - placed) <= len(trial.rack.pis) * 0.02


@pytest.mark.slow
def test_cut_misplaces_no_rasp_and_stops_if_a_fifth_of_the_rasps_are_faulty() -> None:
    """No stack is cut more than six times after all stacks were on, unless pings were late."""
    for seed in range(20):
        trial = harsh_trial(seed, fault_probabilities=(0.1, 0.3))
        result = trial.rack.discover(SwitchOffEach(trial.rasp_counts))
        assert trial.rack.misplaced(result) == [], seed
        cuts = Counter(switched_stacks(trial.rack, PowerOff))
        assert max(cuts.values()) <= 1 + 6 + result.late_cuts


@BOTH_STRATEGIES
def test_fifth_rasp_in_a_stack_of_four_slots_is_found(strategy: type[Strategy]) -> None:
    fifth = SimulatedPi("b8:27:eb:ff:00:02", stack_outlet(2))
    result, _ = run_discovery([*healthy_pis(3), fifth], strategy)
    if strategy is SwitchOffEach:
        assert len(result.stacks[2]) == 5
        assert fifth.mac in result.stacks[2]
    assert all(len(result.stacks[stack]) == 4 for stack in (1, 3))


def test_cut_power_cycles_one_stack_at_a_time() -> None:
    _, rack = run_discovery(healthy_pis(12), SwitchOffEach)
    commands = [command for _, command in rack.commands[24:]]
    assert commands == [
        command
        for outlets in zip(counts(12), strict=True)
        for command in (PowerOff(outlets), PowerOn(outlets))
    ]


def test_cut_lasts_three_seconds_if_all_rasps_of_the_stack_become_silent() -> None:
    _, rack = run_discovery(healthy_pis(12), SwitchOffEach)
    times = [time for time, _ in rack.commands[24:]]
    assert [on_at - off_at for off_at, on_at in zip(times[::2], times[1::2], strict=True)] == [
        pytest.approx(3.0)
    ] * 12


def test_cut_lasts_longer_while_a_rasp_has_power_in_store() -> None:
    pis = healthy_pis(3)
    result, rack = run_discovery(pis, SwitchOffEach, hold_up_seconds=(2.7, 2.8))
    assert result.missing == {}
    times = [time for time, _ in rack.commands[6:]]
    assert all(
        3.5 < on_at - off_at < 4.5 for off_at, on_at in zip(times[::2], times[1::2], strict=True)
    )


@BOTH_STRATEGIES
def test_two_stacks_are_never_switched_on_at_once(strategy: type[Strategy]) -> None:
    _, rack = run_discovery(healthy_pis(12), strategy)
    times = [time for time, command in rack.commands if isinstance(command, PowerOn)]
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))


@BOTH_STRATEGIES
def test_delayed_links_misplace_no_rasp(
    strategy: type[Strategy],
) -> None:
    rack = SimulatedRack(healthy_pis(12), Random(2016), link_delay=30.0)
    result = rack.discover(strategy(counts(12)))
    assert result.missing == {}
    assert rack.misplaced(result) == []


@BOTH_STRATEGIES
def test_result_is_updated_while_the_strategy_runs(strategy: type[Strategy]) -> None:
    running = strategy(counts(3))
    assert running.result.missing == counts(3)
    SimulatedRack(healthy_pis(3), Random(1)).discover(running)
    assert running.result.missing == {}


def test_cut_without_ping_rounds_is_no_evidence_and_is_repeated() -> None:
    first_cut = 25  # after 24 commands that switched all 12 stacks off and on
    result, rack = run_discovery(
        healthy_pis(12), SwitchOffEach, stalled_commands=frozenset({first_cut})
    )
    assert result.late_cuts == 1
    assert rack.misplaced(result) == []
    assert (result.missing, result.conflicts, result.unplaced) == ({}, {}, frozenset())
    assert switched_stacks(rack, PowerOff)[12:] == [*range(1, 13), 1]


def test_stack_is_reported_missing_if_pings_are_late_in_each_of_its_cuts() -> None:
    result, rack = run_discovery(
        healthy_pis(1), SwitchOffEach, stalled_commands=frozenset({3, 5, 7})
    )
    assert (result.late_cuts, result.missing) == (3, {stack_outlet(1): 4})
    assert len(rack.commands) == 8
    assert rack.power == {stack_outlet(1): True}


@pytest.mark.slow
@TRIALS
@pytest.mark.parametrize("fault", ["no fault", "mix"])
@BOTH_STRATEGIES
def test_late_pings_and_log_lines_misplace_no_rasp(
    strategy: type[Strategy], fault: str, trials: int
) -> None:
    missing_count = late_cuts = 0
    for seed in range(trials):
        pis = healthy_pis(12)
        FAULTS[fault](pis, Random(seed))
        result, rack = run_discovery(
            pis, strategy, seed=seed, ping_stall_probability=0.01, log_stall_probability=0.01
        )
        assert rack.misplaced(result) == [], seed
        assert all(rack.power.values()), seed
        missing_count += sum(result.missing.values())
        late_cuts += result.late_cuts
    assert missing_count <= trials * len(pis) * (0.01 if fault == "no fault" else 0.05)
    assert (late_cuts > trials / 10) == (strategy is SwitchOffEach)
