"""Discovery strategies on a simulated rack with faults."""

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from dhcp_installer.discovery.strategy import (
    Command,
    DiscoveryEvent,
    DiscoveryResult,
    PingRound,
    PowerOff,
    PowerOn,
    Strategy,
    Tick,
    WaitUntil,
)
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from tests.dhcp_installer.original_strategy import OriginalStrategy
from tests.dhcp_installer.simulated_rack import (
    FAULTS,
    LONG_PING_INTERVAL,
    PING_INTERVAL,
    SimulatedPi,
    SimulatedRack,
    healthy_pis,
    mixed_faults,
)

TRIALS = 100  # `make bench` runs 300
BOTH_STRATEGIES = pytest.mark.parametrize("strategy", [SwitchOffEach, SwitchOnEach])


def slot_counts(stacks: int) -> dict[int, int]:
    return dict.fromkeys(range(1, stacks + 1), 4)


def run_discovery(
    pis: list[SimulatedPi],
    strategy: type[Strategy],
    *,
    seed: int = 2016,
    **options: Any,
) -> tuple[DiscoveryResult, SimulatedRack]:
    ping_interval = PING_INTERVAL if strategy is SwitchOffEach else LONG_PING_INTERVAL
    rack = SimulatedRack(pis, Random(seed), ping_interval=ping_interval, **options)
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
def test_no_rasp_is_misplaced_and_all_stacks_are_on_at_the_end(
    strategy: type[Strategy], fault: str, stacks: int
) -> None:
    for seed in range(TRIALS):
        random = Random(seed)
        pis = healthy_pis(stacks)
        FAULTS[fault](pis, random)
        result, rack = run_discovery(pis, strategy, seed=seed)
        assert misplaced_rasps(result, rack) == [], seed
        assert all(rack.power.values()), seed
        placed = {mac for macs in result.stacks.values() for mac in macs}
        assert {pi.mac for pi in pis if pi.is_dead}.isdisjoint(placed)
        assert sum(result.missing.values()) == len(pis) - len(placed)


@pytest.mark.parametrize("stacks", [1, 3, 12])
def test_cut_misplaces_no_rasp_on_a_rack_with_many_faults(stacks: int) -> None:
    for seed in range(TRIALS):
        random = Random(seed)
        pis = healthy_pis(stacks)
        for pi in pis:
            pi.is_dead = random.random() < 0.15
            pi.reboot_after = random.uniform(0, 100) if random.random() < 0.3 else None
            pi.is_sometimes_slow = random.random() < 0.1
        assert misplaced_rasps(*run_discovery(pis, SwitchOffEach, seed=seed)) == [], seed


def test_original_strategy_misplaces_rasps() -> None:
    """This shows that the simulated faults can misplace rasps."""
    misplaced_count = 0
    for seed in range(30):
        pis = healthy_pis(12)
        mixed_faults(pis, Random(seed))
        misplaced_count += len(misplaced_rasps(*run_discovery(pis, OriginalStrategy, seed=seed)))
    assert misplaced_count > 30


@BOTH_STRATEGIES
@pytest.mark.parametrize("dead", [1, 22, 48])
def test_dead_rasp_is_missing_only_in_its_stack(strategy: type[Strategy], dead: int) -> None:
    pis = healthy_pis(12)
    pis[dead - 1].is_dead = True
    result, _ = run_discovery(pis, strategy)
    assert result.missing == {pis[dead - 1].stack: 1}
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
    assert result.conflicts == {independent.mac: {1, 2, 3}}
    assert result.missing == {}
    probed = [command.stack for _, command in rack.commands if isinstance(command, PowerOn)]
    assert probed == [1, 2, 3, 1, 2, 3, 1, 2, 3]  # first, for the conflict, and at the end


def test_cut_does_not_place_rasps_that_ignore_pings() -> None:
    pis = healthy_pis(3)
    for pi in pis[:4]:
        pi.ignores_pings = True
    result, _ = run_discovery(pis, SwitchOffEach)
    assert result.unplaced == {pi.mac for pi in pis[:4]}
    assert result.missing == {1: 4}


def test_one_by_one_finds_rasps_that_ignore_pings() -> None:
    pis = healthy_pis(3)
    for pi in pis:
        pi.ignores_pings = True
    result, rack = run_discovery(pis, SwitchOnEach)
    assert result.missing == {}
    assert misplaced_rasps(result, rack) == []


def test_stack_with_a_stuck_relay_has_no_rasps() -> None:
    pis = healthy_pis(4)
    result, _ = run_discovery(pis, SwitchOffEach, stuck_stacks=frozenset({2}))
    assert result.missing == {2: 4}
    assert result.unplaced == {pi.mac for pi in pis if pi.stack == 2}


@BOTH_STRATEGIES
def test_fifth_rasp_in_a_stack_of_four_slots_is_found(strategy: type[Strategy]) -> None:
    fifth = SimulatedPi("b8:27:eb:ff:00:02", 2)
    result, _ = run_discovery([*healthy_pis(3), fifth], strategy)
    if strategy is SwitchOffEach:
        assert len(result.stacks[2]) == 5
        assert fifth.mac in result.stacks[2]
    assert all(len(result.stacks[stack]) == 4 for stack in (1, 3))


def test_cut_power_cycles_one_stack_at_a_time() -> None:
    _, rack = run_discovery(healthy_pis(12), SwitchOffEach)
    commands = [command for _, command in rack.commands[24:]]
    assert commands == [
        command for stack in range(1, 13) for command in (PowerOff(stack), PowerOn(stack))
    ]


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
    result = rack.discover(strategy(slot_counts(12)))
    assert result.missing == {}
    assert misplaced_rasps(result, rack) == []


@BOTH_STRATEGIES
def test_result_is_updated_while_the_strategy_runs(strategy: type[Strategy]) -> None:
    running = strategy(slot_counts(3))
    assert running.result.missing == {1: 4, 2: 4, 3: 4}
    SimulatedRack(healthy_pis(3), Random(1)).discover(running)
    assert running.result.missing == {}


def test_cut_without_ping_rounds_is_no_evidence_and_is_repeated() -> None:
    first_cut = 25  # after 24 commands that switched all 12 stacks off and on
    result, rack = run_discovery(
        healthy_pis(12), SwitchOffEach, stalled_commands=frozenset({first_cut})
    )
    assert result.late_cuts == 1
    assert misplaced_rasps(result, rack) == []
    assert (result.missing, result.conflicts, result.unplaced) == ({}, {}, frozenset())
    cut_stacks = [
        command.stack for _, command in rack.commands[24:] if isinstance(command, PowerOff)
    ]
    assert cut_stacks == [*range(1, 13), 1]


def test_stack_is_reported_missing_if_pings_are_late_in_each_of_its_cuts() -> None:
    result, rack = run_discovery(
        healthy_pis(1), SwitchOffEach, stalled_commands=frozenset({3, 5, 7})
    )
    assert (result.late_cuts, result.missing) == (3, {1: 4})
    assert len(rack.commands) == 8
    assert rack.power == {1: True}


@pytest.mark.parametrize("fault", ["no fault", "mix"])
@BOTH_STRATEGIES
def test_late_pings_and_log_lines_misplace_no_rasp(strategy: type[Strategy], fault: str) -> None:
    missing_count = late_cuts = 0
    for seed in range(TRIALS):
        pis = healthy_pis(12)
        FAULTS[fault](pis, Random(seed))
        result, rack = run_discovery(
            pis, strategy, seed=seed, ping_stall_probability=0.01, log_stall_probability=0.01
        )
        assert misplaced_rasps(result, rack) == [], seed
        assert all(rack.power.values()), seed
        missing_count += sum(result.missing.values())
        late_cuts += result.late_cuts
    assert missing_count <= TRIALS * len(pis) * (0.01 if fault == "no fault" else 0.05)
    assert (late_cuts > TRIALS / 10) == (strategy is SwitchOffEach)


FIRST, SECOND = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"  # of stacks 1 and 2
Replies = Callable[[int, float], set[str]]


class ScriptedRack:
    """Two stacks of one rasp each. All rasps with power reply, except during cuts.

    Args:
        replies: Returns the rasps that reply while a stack is off. The arguments are the stack,
            and the start of the ping round in seconds after the cut.
    """

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._now = self._round_started_at = self._cut_at = 0.0
        self._off_stacks: set[int] = set()
        self._cuts: list[int] = []

    def discover(self) -> tuple[DiscoveryResult, list[int]]:
        """Return the result, and the stacks that were cut after all stacks were on."""
        discovery = SwitchOffEach({1: 1, 2: 1}).run()
        command = next(discovery)
        while True:
            try:
                command = discovery.send(self._execute(command))
            except StopIteration as stop:
                return stop.value, self._cuts[2:]

    def _execute(self, command: Command) -> DiscoveryEvent:
        round_end = self._round_started_at + PING_INTERVAL
        match command:
            case PowerOn(stack):
                self._off_stacks.remove(stack)
            case PowerOff(stack):
                self._off_stacks.add(stack)
                self._cuts.append(stack)
                self._cut_at = self._now
            case WaitUntil(time) if time > round_end:
                ping_round = PingRound(
                    self._round_started_at, self._round_started_at, self._reachable(), round_end
                )
                self._now = self._round_started_at = round_end
                return ping_round
            case WaitUntil(time):
                self._now = time
        return Tick(self._now)

    def _reachable(self) -> frozenset[str]:
        match sorted(self._off_stacks):
            case []:
                return frozenset({FIRST, SECOND})
            case [stack] if len(self._cuts) > 2 and self._round_started_at >= self._cut_at:
                return frozenset(self._replies(stack, self._round_started_at - self._cut_at))
            case [_]:
                return frozenset({FIRST, SECOND})
            case _:
                return frozenset()


def rasps_outside(stack: int) -> set[str]:
    return {SECOND} if stack == 1 else {FIRST}


def lose_pings_in_first_stack(stack: int, *, is_lost: bool) -> set[str]:
    return set() if stack == 1 and is_lost else rasps_outside(stack)


@pytest.mark.parametrize(
    "replies",
    [
        lambda stack, _: rasps_outside(stack),
        lambda stack, seconds: {FIRST, SECOND} if seconds < 1.7 else rasps_outside(stack),
        lambda stack, seconds: lose_pings_in_first_stack(stack, is_lost=0.5 <= seconds < 2.2),
        lambda stack, seconds: lose_pings_in_first_stack(stack, is_lost=seconds > 1.9),
    ],
    ids=[
        "no faults",
        "rasps reply for 1.7 s without power",
        "a rasp with power misses pings and replies again",
        "a rasp with power misses the last three pings",
    ],
)
def test_replies_at_the_end_of_a_cut_decide(replies: Replies) -> None:
    result, cuts = ScriptedRack(replies).discover()
    assert result == DiscoveryResult({1: frozenset({FIRST}), 2: frozenset({SECOND})}, {})
    assert cuts == [1, 2]


def test_rasp_with_power_that_misses_the_last_four_pings_of_a_cut_is_not_misplaced() -> None:
    is_first_cut = True

    def replies(stack: int, seconds: float) -> set[str]:
        nonlocal is_first_cut
        is_first_cut = is_first_cut and stack == 1
        return lose_pings_in_first_stack(stack, is_lost=is_first_cut and seconds > 1.7)

    result, cuts = ScriptedRack(replies).discover()
    assert result == DiscoveryResult({1: frozenset({FIRST}), 2: frozenset({SECOND})}, {})
    assert len(cuts) > 2


def test_rasp_that_replies_during_a_cut_of_its_stack_is_not_placed() -> None:
    result, _ = ScriptedRack(lambda stack, _: {FIRST} | rasps_outside(stack)).discover()
    assert result.stacks == {1: frozenset(), 2: frozenset({SECOND})}
    assert (result.missing, result.unplaced) == ({1: 1}, frozenset({FIRST}))
