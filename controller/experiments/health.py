"""Decide from the states of rasps whether a run may go on."""

from collections.abc import Iterable, Sequence

from controller.experiments.plan import AbortLimits
from controller.state.model import RaspState, RaspStatus

_UNDER_VOLTAGE = "under_voltage"


def health_problem(rasps: Iterable[RaspState], limits: AbortLimits) -> str:
    """Return why a run must be aborted, or an empty string. Unknown values are no reason."""
    for rasp in rasps:
        temperature = rasp.temperature_celsius
        if temperature is not None and temperature > limits.temperature:
            return (
                f"{rasp.slot.name} is hot: {temperature:.1f} °C, more than abort.temperature ="
                f" {limits.temperature:g}"
            )
        if limits.under_voltage and _UNDER_VOLTAGE in (rasp.conditions or ()):
            return f"{rasp.slot.name} has an under-voltage: check its power supply"
    return ""


def rasps_not_up(rasps: Iterable[RaspState]) -> list[str]:
    """Return the names of the rasps that are not up, with their states."""
    return [
        f"{rasp.slot.name} is {rasp.state}" for rasp in rasps if rasp.state is not RaspStatus.UP
    ]


def shortened(problems: Sequence[str]) -> str:
    """Return up to three problems in one line."""
    more = len(problems) - 3
    return "; ".join(problems[:3]) + (f"; and {more} more" if more > 0 else "")
