"""Consistency and recovery after `kill -9` at any moment of an install."""

import signal
from collections.abc import Iterator
from random import Random

import pytest

from tests.dhcp_installer.kill_scenario import (
    UNMANAGED_CONFIG,
    KillScenario,
    annotate_failures,
    outlet_scenarios,
    relay_scenarios,
    run_in_parallel,
)

pytestmark = pytest.mark.process

# `make test` runs few trials, and `make verify` all of them.
EVERY_NTH_CHANGE = [
    pytest.param(7, id="few"),
    pytest.param(1, id="all", marks=[pytest.mark.verify, pytest.mark.timeout(1800)]),
]
RANDOM_TRIALS = [
    pytest.param(10, id="few"),
    pytest.param(50, id="many", marks=[pytest.mark.verify, pytest.mark.timeout(1800)]),
]


@pytest.fixture(scope="module")
def scenarios() -> Iterator[list[KillScenario]]:
    with relay_scenarios(8) as scenarios:
        yield scenarios


@pytest.fixture(scope="module")
def scenarios_with_outlets() -> Iterator[list[KillScenario]]:
    """Racks with an outlet for each rasp: nine outlets, which are cut in groups."""
    with outlet_scenarios(2) as scenarios:
        yield scenarios


def check_kills_before_changes(scenarios: list[KillScenario], step: int) -> list[bool]:
    """Kill an install before each change, or before some. Return which were rolled forward."""
    scenarios[0].reset()
    assert scenarios[0].wait(scenarios[0].start()) == 0, scenarios[0].output
    changes = scenarios[0].count
    assert changes > 40
    rolled_forward: list[bool] = []

    def trials(scenario: KillScenario, first: int) -> None:
        for number in range(step * first + 1, changes + 1, step * len(scenarios)):
            with annotate_failures(f"killed before change {number} of {changes}"):
                scenario.reset()
                status = scenario.wait(scenario.start(kill_at_change=number))
                assert status in {-signal.SIGKILL, 0}, scenario.output  # 0: it had fewer changes
                record = scenario.assert_consistent()
                if number % 4:
                    scenario.assert_recovers(record)
                else:
                    scenario.assert_next_install_succeeds(record)
                if record:
                    rolled_forward.append(record.assignment is not None)

    run_in_parallel(trials, scenarios)
    return rolled_forward


def check_kills_before_random_calls(scenarios: list[KillScenario], count: int) -> None:
    scenarios[0].reset()
    assert scenarios[0].wait(scenarios[0].start(counts_calls=True)) == 0, scenarios[0].output
    calls = scenarios[0].count
    assert calls > 400
    was_interrupted: list[bool] = []

    def trials(scenario: KillScenario, first: int) -> None:
        for seed in range(first, count, len(scenarios)):
            number = Random(seed).randint(calls // 4, calls)  # the start is a third of all calls
            with annotate_failures(f"trial {seed}, killed before call {number} of {calls}"):
                scenario.reset()
                status = scenario.wait(scenario.start(kill_at_call=number))
                assert status in {-signal.SIGKILL, 0}, scenario.output  # 0: it had fewer calls
                record = scenario.assert_consistent()
                was_interrupted.append(record is not None)
                if seed % 2:
                    scenario.assert_next_install_succeeds(record)
                else:
                    scenario.assert_recovers(record)

    run_in_parallel(trials, scenarios)
    assert len(was_interrupted) == count
    assert sum(was_interrupted) > count / 2


@pytest.mark.parametrize("step", EVERY_NTH_CHANGE)
def test_kill_before_each_change_is_recovered(scenarios: list[KillScenario], step: int) -> None:
    rolled_forward = check_kills_before_changes(scenarios, step)
    assert rolled_forward.count(False) > 20 / step
    assert rolled_forward.count(True) > 5 / step


@pytest.mark.verify
@pytest.mark.timeout(1800)
def test_kill_before_each_eleventh_change_of_a_rack_with_an_outlet_for_each_rasp_is_recovered(
    scenarios_with_outlets: list[KillScenario],
) -> None:
    rolled_forward = check_kills_before_changes(scenarios_with_outlets, 11)
    assert set(rolled_forward) == {True, False}


@pytest.mark.parametrize("count", RANDOM_TRIALS)
def test_kill_before_a_random_call_is_recovered(scenarios: list[KillScenario], count: int) -> None:
    check_kills_before_random_calls(scenarios, count)


@pytest.mark.verify
@pytest.mark.timeout(1800)
def test_kill_of_an_install_of_a_rack_with_an_outlet_for_each_rasp_is_recovered(
    scenarios_with_outlets: list[KillScenario],
) -> None:
    check_kills_before_random_calls(scenarios_with_outlets, 12)


def test_full_disk_for_dhcpd_conf_changes_nothing(scenarios: list[KillScenario]) -> None:
    """A limited file size has the same effect as a full disk."""
    scenario = scenarios[0]
    scenario.reset()
    large = f"{UNMANAGED_CONFIG}{'# a long comment' * 40_000}\n"
    scenario.lab.config_path.write_text(large)
    power_changes = scenario.lab.virtual.outlet_power()
    assert scenario.wait(scenario.start(max_file_size=500_000)) == 1
    assert "File too large: nothing was changed" in scenario.output
    assert scenario.lab.config_path.read_text() == large
    assert scenario.lab.known_rasps == scenario.previous_rasps
    assert scenario.lab.virtual.outlet_power() == power_changes
    names = [path.name for path in scenario.lab.config_path.parent.iterdir()]
    assert not [name for name in names if "pirack-new" in name]


@pytest.mark.parametrize("max_file_size", [30_000, 60_000, 100_000, 150_000])
def test_full_disk_for_the_journal_is_recovered(
    scenarios: list[KillScenario], max_file_size: int
) -> None:
    scenario = scenarios[0]
    scenario.reset()
    status = scenario.wait(scenario.start(max_file_size=max_file_size))
    assert status == 0 or "nothing was written" in scenario.output, scenario.output
    assert "Traceback" not in scenario.output
    scenario.assert_next_install_succeeds(scenario.assert_consistent())
