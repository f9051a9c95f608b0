"""Energy of a run, as its outlets measured it. Pure functions and values.

The energy of an outlet is unknown, and never 0, if it has no meter or if readings are missing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.outlet_monitor import EnergyReading
from rack.layout import Outlet, Rack

MeasureOutlets = Callable[[Iterable[Outlet], float], Mapping[Outlet, EnergyReading]]
"""`OutletMonitor.measure`."""

_ROUNDING_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class OutletEnergy:
    """Energy of one outlet in a run.

    Attributes:
        stack: Number of its stack.
        rasp: Name of its rasp, or None if it powers the whole stack.
        joules: Energy in joules, or None if it was not measured.
    """

    stack: int
    rasp: str | None
    joules: float | None


@dataclass(frozen=True, slots=True)
class EnergySum:
    """Energy of several outlets.

    Attributes:
        joules: Sum of the measured outlets, or None if none was measured.
        is_complete: Whether all outlets were measured.
    """

    joules: float | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class RunEnergy:
    """Energy of a run. `outlets` are those that power its nodes."""

    outlets: tuple[OutletEnergy, ...]

    @property
    def total(self) -> EnergySum:
        """Energy of the run."""
        return _sum(self.outlets)

    @property
    def stacks(self) -> Mapping[int, EnergySum]:
        """Energy of each stack, keyed by its number."""
        numbers = sorted({outlet.stack for outlet in self.outlets})
        return {
            number: _sum([outlet for outlet in self.outlets if outlet.stack == number])
            for number in numbers
        }

    def rasps_of(self, stack: int) -> Sequence[OutletEnergy]:
        """Return the outlets of a stack that power one rasp each."""
        return [each for each in self.outlets if each.stack == stack and each.rasp is not None]


def outlets_of(rack: Rack, nodes: Collection[str]) -> Sequence[Outlet]:
    """Return the outlets that power nodes, in the order of the rack."""
    return [
        outlet
        for stack in rack.stacks
        for outlet in stack.outlets
        if any(slot.name in nodes for slot in stack.slots_of(outlet))
    ]


def run_energy(
    outlets: Iterable[Outlet],
    first: Mapping[Outlet, EnergyReading],
    last: Mapping[Outlet, EnergyReading],
) -> RunEnergy:
    """Return the energy of a run from the readings at its start and at its end.

    Args:
        outlets: Outlets that power its nodes.
        first: Readings at the start. Outlets that were not measured are missing.
        last: Readings at the end.
    """
    return RunEnergy(
        tuple(
            OutletEnergy(
                outlet.stack,
                None if outlet.slot is None else outlet.name,
                _joules_between(first.get(outlet), last.get(outlet)),
            )
            for outlet in outlets
        )
    )


def _joules_between(first: EnergyReading | None, last: EnergyReading | None) -> float | None:
    """Return the energy between two readings, or None if readings are missing between them."""
    if first is None or last is None:
        return None
    measured_seconds = last.measured_seconds - first.measured_seconds
    if measured_seconds < last.at - first.at - _ROUNDING_SECONDS:
        return None
    return last.joules - first.joules


def _sum(outlets: Sequence[OutletEnergy]) -> EnergySum:
    measured = [each.joules for each in outlets if each.joules is not None]
    return EnergySum(sum(measured) if measured else None, len(measured) == len(outlets))
