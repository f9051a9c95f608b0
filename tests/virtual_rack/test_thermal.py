"""The heat of a stack."""

import pytest

from virtual_rack.thermal import BUSY_WATTS, IDLE_WATTS, ThermalEnvironment, steady_state, step

ENVIRONMENT = ThermalEnvironment()
IDLE, BUSY = IDLE_WATTS, IDLE_WATTS + BUSY_WATTS


def test_an_idle_stack_settles_where_bare_boards_do() -> None:
    assert all(38 < celsius < 48 for celsius in steady_state([IDLE] * 4, ENVIRONMENT))


def test_a_busy_stack_is_warm_but_not_hot() -> None:
    assert all(65 < celsius < 80 for celsius in steady_state([BUSY] * 4, ENVIRONMENT))


def test_a_stack_without_power_settles_at_the_rooms_temperature() -> None:
    assert steady_state([0.0] * 4, ENVIRONMENT) == [ENVIRONMENT.ambient] * 4


def test_a_busy_board_warms_its_neighbours_the_nearer_the_more() -> None:
    idle = steady_state([IDLE] * 4, ENVIRONMENT)
    warmed = steady_state([BUSY, IDLE, IDLE, IDLE], ENVIRONMENT)
    gain = [after - before for before, after in zip(idle, warmed, strict=True)]
    assert gain[0] > gain[1] > gain[2] > gain[3] > 0


def test_a_temperature_goes_two_thirds_of_its_way_in_one_time_constant() -> None:
    (after,) = step([20.0], [80.0], ENVIRONMENT.time_constant, ENVIRONMENT)
    assert after == pytest.approx(20 + 60 * 0.632, abs=0.1)


def test_many_short_steps_are_one_long_step() -> None:
    temperature = [20.0]
    for _ in range(100):
        temperature = step(temperature, [80.0], 0.3, ENVIRONMENT)
    assert temperature == pytest.approx(step([20.0], [80.0], 30.0, ENVIRONMENT))
