"""Thermal model of a stack."""

import pytest

from virtual_rack.thermal import BUSY_WATTS, IDLE_WATTS, ThermalEnvironment, steady_state, step

ENVIRONMENT = ThermalEnvironment()
IDLE, BUSY = IDLE_WATTS, IDLE_WATTS + BUSY_WATTS


def test_idle_stack_has_a_plausible_temperature() -> None:
    assert all(38 < celsius < 48 for celsius in steady_state([IDLE] * 4, ENVIRONMENT))


def test_busy_stack_is_warm_but_not_hot() -> None:
    assert all(65 < celsius < 80 for celsius in steady_state([BUSY] * 4, ENVIRONMENT))


def test_stack_without_power_has_the_ambient_temperature() -> None:
    assert steady_state([0.0] * 4, ENVIRONMENT) == [ENVIRONMENT.ambient] * 4


def test_busy_board_warms_near_boards_more_than_distant_boards() -> None:
    idle = steady_state([IDLE] * 4, ENVIRONMENT)
    warmed = steady_state([BUSY, IDLE, IDLE, IDLE], ENVIRONMENT)
    rise = [celsius - base for base, celsius in zip(idle, warmed, strict=True)]
    assert rise[0] > rise[1] > rise[2] > rise[3] > 0


def test_temperature_approaches_its_target_by_63_percent_per_time_constant() -> None:
    (temperature,) = step([20.0], [80.0], ENVIRONMENT.time_constant, ENVIRONMENT)
    assert temperature == pytest.approx(20 + 60 * 0.632, abs=0.1)


def test_many_short_steps_equal_one_long_step() -> None:
    temperature = [20.0]
    for _ in range(100):
        temperature = step(temperature, [80.0], 0.3, ENVIRONMENT)
    assert temperature == pytest.approx(step([20.0], [80.0], 30.0, ENVIRONMENT))
