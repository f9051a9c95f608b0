"""How warm a Raspberry Pi gets: a lumped model, one heat capacity a board.

Each board settles at the temperature of its air plus power times thermal resistance, and gets there
exponentially. Its air is the room's, warmed by the other boards of its stack, the nearer the more.
The figures give a bare Pi 4 about 45 °C idle and 70 °C busy in a stack of four at 22 °C: the order
of what such boards show, not a measurement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

HALTED_WATTS = 1.0
IDLE_WATTS = 2.2
BUSY_WATTS = 3.4  # on top of idle, all four cores busy


@dataclass(frozen=True, slots=True)
class ThermalEnvironment:
    """What a board's heat meets on its way out."""

    ambient: float = 22.0  # °C
    resistance: float = 8.0  # K/W from the chip to the air around the board
    neighbour_coupling: float = 0.7  # K/W by which a board warms the air of the one next to it
    time_constant: float = 45.0  # s


def heat_output(load: float, *, is_on: bool = True) -> float:
    """Return the watts that a board turns into heat at a load of 0 to 1."""
    return IDLE_WATTS + BUSY_WATTS * load if is_on else 0.0


def steady_state(watts: Sequence[float], environment: ThermalEnvironment) -> list[float]:
    """Return the temperatures (°C) that the boards of one stack settle at, from bottom to top.

    A board at distance d warms another's air by `neighbour` / d for each of its watts.
    """
    return [
        environment.ambient
        + own * environment.resistance
        + sum(
            other * environment.neighbour_coupling / abs(i - j)
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
    """Return the temperatures `seconds` later, on their way to `targets`."""
    left = exp(-seconds / environment.time_constant)
    return [
        target + (now - target) * left for now, target in zip(temperatures, targets, strict=True)
    ]
