"""Lumped thermal model of the boards in a stack.

The steady-state temperature of a board is the temperature of the surrounding air plus power times
thermal resistance. The board approaches this temperature exponentially. Other boards of the stack
warm the air, depending on their distance. At 22 °C, a Pi 4 without a heat sink in a stack of four
has about 45 °C when idle and 70 °C when busy. The parameters are plausible, not measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

HALTED_WATTS = 1.0
IDLE_WATTS = 2.2
BUSY_WATTS = 3.4  # in addition to IDLE_WATTS, if all four cores are busy


@dataclass(frozen=True, slots=True)
class ThermalEnvironment:
    """Parameters of the thermal model."""

    ambient: float = 22.0  # °C
    resistance: float = 8.0  # K/W from the chip to the air around the board
    neighbor_coupling: float = 0.7  # K/W from a board to the air around the next board
    time_constant: float = 45.0  # s


def heat_output(load: float, *, is_on: bool = True) -> float:
    """Return the heat output in watts of a board with a load from 0 to 1."""
    return IDLE_WATTS + BUSY_WATTS * load if is_on else 0.0


def steady_state(watts: Sequence[float], environment: ThermalEnvironment) -> list[float]:
    """Return the steady-state temperatures (°C) of the boards of a stack.

    Per watt, a board warms the air around a board at distance d by `neighbor_coupling` / d kelvin.
    """
    return [
        environment.ambient
        + own * environment.resistance
        + sum(
            other * environment.neighbor_coupling / abs(i - j)
            for j, other in enumerate(watts)
            if j != i
        )
        for i, own in enumerate(watts)
    ]


def step(
    temperatures: Sequence[float],
    targets: Sequence[float],
    seconds: float,
    environment: ThermalEnvironment,
) -> list[float]:
    """Return the temperatures after `seconds`, in which they approach `targets`."""
    decay = exp(-seconds / environment.time_constant)
    return [
        target + (current - target) * decay
        for current, target in zip(temperatures, targets, strict=True)
    ]
