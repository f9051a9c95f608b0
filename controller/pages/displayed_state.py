"""The state of the rack as the rack page shows it.

Measured values change with each scrape. Without those that the page does not show, and rounded like
the others, most states equal the previous one, and the page does not have to be rendered again. See
`PageCache`. The template gets only this state, and can therefore not show anything else.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from controller.state.model import OutletState, RackState, RaspState, StackState


class DisplayedStates:
    """The displayed state of the latest state, for each color. Thread-safe.

    Most rasps are the same in two states that follow each other. They are not rounded again.
    """

    def __init__(self) -> None:
        self._latest: dict[str, tuple[RackState, RackState]] = {}
        self._rasps: dict[tuple[str, int], tuple[RaspState, RaspState]] = {}

    def get(self, rack_state: RackState, color: str) -> RackState:
        """Return `displayed_state`, which is computed once for all clients of a state.

        States that are displayed the same have the same object, which is compared faster.
        """
        known = self._latest.get(color)
        if known is not None and known[0] is rack_state:
            return known[1]
        displayed = _displayed_state(rack_state, partial(self._displayed_rasp, color))
        if known is not None and known[1] == displayed:
            displayed = known[1]
        self._latest[color] = rack_state, displayed
        return displayed

    def prepare(self, rack_state: RackState) -> None:
        """Compute the displayed states of a state for the colors that clients have requested."""
        for color in list(self._latest):
            self.get(rack_state, color)

    def _displayed_rasp(self, color: str, rasp: RaspState) -> RaspState:
        key = color, rasp.slot.id
        known = self._rasps.get(key)
        if known is None or known[0] != rasp:
            known = self._rasps[key] = rasp, _displayed_rasp(color, rasp)
        return known[1]


def displayed_state(rack_state: RackState, color: str) -> RackState:
    """Return a state with the values that the rack page shows, rounded as on the page.

    Args:
        rack_state: State of the rack.
        color: Name of the value that determines the colors: `temperature`, `cpu`, `memory`, `power`
            or `watts`.
    """
    return _displayed_state(rack_state, partial(_displayed_rasp, color))


_DisplayedRasp = Callable[[RaspState], RaspState]


def _displayed_state(rack_state: RackState, displayed_rasp: _DisplayedRasp) -> RackState:
    stacks = tuple(_displayed_stack(stack, displayed_rasp) for stack in rack_state.stacks)
    return replace(rack_state, stacks=stacks)


def _displayed_stack(stack: StackState, displayed_rasp: _DisplayedRasp) -> StackState:
    return replace(
        stack,
        rasps=tuple(map(displayed_rasp, stack.rasps)),
        outlets=tuple(map(_displayed_outlet, stack.outlets)),
    )


def _displayed_rasp(color: str, rasp: RaspState) -> RaspState:
    celsius, cores = rasp.temperature_celsius, rasp.cpu_busy_cores
    available, total = None, None
    if color == "memory" and (used := rasp.memory_used_ratio) is not None:
        available, total = 100.0 - round(100 * used), 100.0
    return replace(
        rasp,
        temperature_celsius=None if celsius is None else float(round(celsius)),
        load1=None,
        cpu_busy_cores=round(cores, 1) if color == "cpu" and cores is not None else None,
        memory_available_bytes=available,
        memory_total_bytes=total,
        conditions_since_boot=rasp.conditions_since_boot if color == "power" else None,
        boot_time_seconds=None,
        uptime_seconds=None,
        clock_offset_seconds=None,
        is_clock_off=None,
        answers_ping=None,
        pinged_at=None,
        outlet=None if rasp.outlet is None else _displayed_outlet(rasp.outlet),
    )


def _displayed_outlet(outlet: OutletState) -> OutletState:
    if outlet.energy_joules is None and not outlet.detail:
        return outlet
    return replace(outlet, energy_joules=None, detail="")
