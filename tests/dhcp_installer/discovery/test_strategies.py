"""Strategies on a rack in simulated time: who is found where, whatever the rasps do."""

from itertools import pairwise
from random import Random

import pytest

from dhcp_installer.discovery.strategy import DiscoveryResult, PowerOff, PowerOn, Strategy
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from tests.dhcp_installer.original_strategy import OriginalStrategy
from tests.dhcp_installer.simulated_rack import (
    FAULTS,
    SimulatedPi,
    SimulatedRack,
    healthy_pis,
    mixed_faults,
)

TRIALS = 100  # `make bench` has 300
BOTH_STRATEGIES = pytest.mark.parametrize("strategy", [SwitchOffEach, SwitchOnEach])


def slot_counts(stacks: int) -> dict[int, int]:
    return dict.fromkeys(range(1, stacks + 1), 4)


def run_discovery(
    pis: list[SimulatedPi],
    strategy: type[Strategy],
    *,
    seed: int = 2016,
    stuck_stacks: frozenset[int] = frozenset(),
) -> tuple[DiscoveryResult, SimulatedRack]:
    rack = SimulatedRack(pis, Random(seed), stuck_stacks)
    stacks = max(pi.stack for pi in pis if pi.stack is not None)
    return rack.discover(strategy(slot_counts(stacks))), rack


def misplaced_rasps(result: DiscoveryResult, rack: SimulatedRack) -> list[tuple[str, int]]:
    return [
        (mac, stack)
        for stack, macs in result.stacks.items()
        for mac in macs
        if rack.actual_stacks[mac] != stack
    ]


@pytest.mark.parametrize("stacks", [12, 48])
@pytest.mark.parametrize("fault", FAULTS)
@BOTH_STRATEGIES
def test_no_rasp_is_put_into_a_wrong_stack_and_every_stack_has_power_again(
    strategy: type[Strategy], fault: str, stacks: int
) -> None:
    for seed in range(TRIALS):
        random = Random(seed)
        pis = healthy_pis(stacks)
        FAULTS[fault](pis, random)
        findings, rack = run_discovery(pis, strategy, seed=seed)
        assert misplaced_rasps(findings, rack) == [], seed
        assert all(rack.power.values()), seed
        placed = {mac for macs in findings.stacks.values() for mac in macs}
        assert {pi.mac for pi in pis if pi.is_dead}.isdisjoint(placed)
        assert sum(findings.missing.values()) == len(pis) - len(placed)


@pytest.mark.parametrize("stacks", [1, 3, 12])
def test_not_even_a_rack_full_of_faults_misleads_the_cuts(stacks: int) -> None:
    for seed in range(TRIALS):
        random = Random(seed)
        pis = healthy_pis(stacks)
        for pi in pis:
            pi.is_dead = random.random() < 0.15
            pi.reboot_after = random.uniform(0, 100) if random.random() < 0.3 else None
            pi.is_sometimes_slow = random.random() < 0.1
        assert misplaced_rasps(*run_discovery(pis, SwitchOffEach, seed=seed)) == [], seed


def test_the_first_pirack_put_rasps_into_wrong_stacks() -> None:
    """Else the simulation would be too kind to show anything."""
    mistaken = 0
    for seed in range(30):
        pis = healthy_pis(12)
        mixed_faults(pis, Random(seed))
        mistaken += len(misplaced_rasps(*run_discovery(pis, OriginalStrategy, seed=seed)))
    assert mistaken > 30


@BOTH_STRATEGIES
@pytest.mark.parametrize("dead", [1, 22, 48])
def test_a_dead_rasp_is_missing_from_its_stack_and_from_no_other(
    strategy: type[Strategy], dead: int
) -> None:
    pis = healthy_pis(12)
    pis[dead - 1].is_dead = True
    findings, _ = run_discovery(pis, strategy)
    assert findings.missing == {pis[dead - 1].stack: 1}
    assert findings.unplaced == frozenset()


@BOTH_STRATEGIES
def test_a_laptop_is_reported_and_given_no_place(strategy: type[Strategy]) -> None:
    laptop = SimulatedPi("3c:52:82:00:00:01", None, renewal_interval=10.0)
    findings, _ = run_discovery([*healthy_pis(3), laptop], strategy)
    assert findings.other_vendor_macs == {laptop.mac}
    assert findings.missing == {}
    assert laptop.mac not in findings.unplaced


def test_a_pi_with_a_supply_of_its_own_answers_through_all_cuts_and_gets_no_place() -> None:
    own = SimulatedPi("b8:27:eb:ff:00:01", None, renewal_interval=10.0)
    findings, _ = run_discovery([*healthy_pis(3), own], SwitchOffEach)
    assert findings.unplaced == {own.mac}
    assert findings.missing == {}


def test_a_pi_with_a_supply_of_its_own_is_seen_with_every_stack_and_gets_no_place() -> None:
    own = SimulatedPi("b8:27:eb:ff:00:01", None, renewal_interval=10.0)
    findings, rack = run_discovery([*healthy_pis(3), own], SwitchOnEach)
    assert findings.conflicts == {own.mac: {1, 2, 3}}
    assert findings.missing == {}
    looked_at = [command.stack for _, command in rack.commands if isinstance(command, PowerOn)]
    assert looked_at == [1, 2, 3, 1, 2, 3, 1, 2, 3]  # once, for the conflict, in the end


def test_rasps_that_answer_no_ping_are_seen_but_not_placed_by_cuts() -> None:
    pis = healthy_pis(3)
    for pi in pis[:4]:
        pi.ignores_pings = True
    findings, _ = run_discovery(pis, SwitchOffEach)
    assert findings.unplaced == {pi.mac for pi in pis[:4]}
    assert findings.missing == {1: 4}


def test_rasps_that_answer_no_ping_are_found_one_by_one() -> None:
    pis = healthy_pis(3)
    for pi in pis:
        pi.ignores_pings = True
    findings, rack = run_discovery(pis, SwitchOnEach)
    assert findings.missing == {}
    assert misplaced_rasps(findings, rack) == []


def test_a_stack_whose_relay_is_stuck_shows_nobody() -> None:
    pis = healthy_pis(4)
    findings, _ = run_discovery(pis, SwitchOffEach, stuck_stacks=frozenset({2}))
    assert findings.missing == {2: 4}
    assert findings.unplaced == {pi.mac for pi in pis if pi.stack == 2}


@BOTH_STRATEGIES
def test_a_fifth_rasp_in_a_stack_of_four_is_found_there(strategy: type[Strategy]) -> None:
    fifth = SimulatedPi("b8:27:eb:ff:00:02", 2)
    findings, _ = run_discovery([*healthy_pis(3), fifth], strategy)
    if strategy is SwitchOffEach:
        assert len(findings.stacks[2]) == 5
        assert fifth.mac in findings.stacks[2]
    assert all(len(findings.stacks[stack]) == 4 for stack in (1, 3))


def test_one_stack_at_a_time_is_cut_and_gets_its_power_back() -> None:
    _, rack = run_discovery(healthy_pis(12), SwitchOffEach)
    switched = [command for _, command in rack.commands[24:]]
    assert switched == [
        command for stack in range(1, 13) for command in (PowerOff(stack), PowerOn(stack))
    ]


@BOTH_STRATEGIES
def test_two_stacks_never_get_power_at_once(strategy: type[Strategy]) -> None:
    _, rack = run_discovery(healthy_pis(12), strategy)
    times = [at for at, command in rack.commands if isinstance(command, PowerOn)]
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))


@BOTH_STRATEGIES
def test_a_switch_that_delays_links_by_half_a_minute_misleads_nobody(
    strategy: type[Strategy],
) -> None:
    rack = SimulatedRack(healthy_pis(12), Random(2016), link_delay=30.0)
    findings = rack.discover(strategy(slot_counts(12)))
    assert findings.missing == {}
    assert misplaced_rasps(findings, rack) == []


@BOTH_STRATEGIES
def test_findings_grow_while_it_runs(strategy: type[Strategy]) -> None:
    running = strategy(slot_counts(3))
    assert running.result.missing == {1: 4, 2: 4, 3: 4}
    SimulatedRack(healthy_pis(3), Random(1)).discover(running)
    assert running.result.missing == {}
