"""State of the outlets: what was commanded, what was read, and how both differ.

An outlet that is commanded off does not prove that its rasps are off: the contact of a relay may be
welded, or a rasp may have a second supply. A dead supply cuts the power of an outlet that is on. An
order that was interrupted, or another program, may leave an outlet in the other state.

While an outlet cannot be read, its power is unknown, whatever was commanded before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from controller.state.model import (
    MAX_SAMPLE_AGE_SECONDS,
    OutletState,
    PowerState,
    RaspState,
    RaspStatus,
    StackState,
)
from rack.layout import GPIO, Outlet, Stack
from rack.power.commanded_power import CommandedPower
from rack.power.state import OutletReading

_NOT_READ = OutletReading(None)


def build_outlet_state(
    outlet: Outlet,
    commanded: CommandedPower | None,
    reading: OutletReading | None,
    energy_joules: float | None = None,
) -> OutletState:
    """Return the state of an outlet, without its mismatch.

    Args:
        outlet: The outlet.
        commanded: Its last command, or None if there was none.
        reading: Its last reading, or None if it was not read.
        energy_joules: Its measured energy.
    """
    reading = reading or _NOT_READ
    return OutletState(
        outlet,
        power=_power_state(None if commanded is None or reading.error else commanded.is_on),
        observed=_power_state(None if reading.error else reading.power),
        watts=reading.watts,
        energy_joules=energy_joules,
        detail=reading.detail,
        error=reading.error,
        differs=commanded is not None and commanded.outlet_differs and not reading.error,
    )


def _power_state(is_on: bool | None) -> PowerState:
    if is_on is None:
        return PowerState.UNKNOWN
    return PowerState.ON if is_on else PowerState.OFF


def build_stack_state(
    stack: Stack,
    outlets: Iterable[OutletState],
    rasps: Sequence[RaspState],
    commanded: Mapping[Outlet, CommandedPower],
    *,
    now: float,
    boot_seconds: float,
    reserved_by: str,
) -> StackState:
    """Return the state of a stack.

    Args:
        stack: The stack.
        outlets: Its outlets, without their mismatches.
        rasps: Its rasps, without their outlets.
        commanded: Commanded power.
        now: Current time in seconds since the boot of the master.
        boot_seconds: Maximum time from power on to the first response of a rasp.
        reserved_by: Holder of the reservation, or "".
    """
    checked = tuple(
        replace(
            state,
            mismatch=outlet_mismatch(
                state,
                commanded.get(state.outlet),
                [rasps[slot.number - 1] for slot in stack.slots_of(state.outlet)],
                now,
                boot_seconds,
            ),
        )
        for state in outlets
    )
    if stack.has_outlet_per_slot:
        pairs = zip(rasps, checked, strict=True)
        rasps = [replace(rasp, outlet=state) for rasp, state in pairs]
    return StackState(
        stack,
        combine_power(state.power for state in checked),
        tuple(rasps),
        observed=observed_power(checked, rasps),
        power_mismatch=_stack_mismatch(checked),
        outlet_differs=any(state.differs for state in checked),
        reserved_by=reserved_by,
        outlets=checked,
    )


def combine_power(powers: Iterable[PowerState]) -> PowerState:
    """Return the power of a stack with outlets of this power. Unknown if one is unknown."""
    distinct = set(powers)
    if PowerState.UNKNOWN in distinct or not distinct:
        return PowerState.UNKNOWN
    return distinct.pop() if len(distinct) == 1 else PowerState.PARTIAL


def observed_power(outlets: Sequence[OutletState], rasps: Sequence[RaspState]) -> PowerState:
    """Return the observed power of a stack.

    The power that was read, if all outlets can be read. Otherwise, on if a rasp responds. Off if
    recent samples show that no installed rasp responds, which is also the case if they are shut
    down and have power. Unknown in all other cases, also if an outlet cannot be read.
    """
    read = combine_power(outlet.observed for outlet in outlets)
    if read is not PowerState.UNKNOWN:
        return read
    if any(outlet.error for outlet in outlets) and not any(map(_is_responding, rasps)):
        return PowerState.UNKNOWN
    return _power_of_rasps(rasps)


def _power_of_rasps(rasps: Sequence[RaspState]) -> PowerState:
    if any(map(_is_responding, rasps)):
        return PowerState.ON
    installed = [rasp for rasp in rasps if rasp.is_installed]
    if installed and all(rasp.state in {RaspStatus.DOWN, RaspStatus.OFF} for rasp in installed):
        return PowerState.OFF
    return PowerState.UNKNOWN


def outlet_mismatch(
    state: OutletState,
    commanded: CommandedPower | None,
    rasps: Sequence[RaspState],
    now: float,
    boot_seconds: float,
) -> str:
    """Describe how the power differs from the command. Return "" if they agree.

    Rasps are ignored after a recent command, because they follow it with a delay. A rasp with an
    outlet of its own that does not respond is down, which its state shows.

    Args:
        state: State of the outlet.
        commanded: Last command of the outlet, or None if there was none.
        rasps: Rasps that the outlet powers.
        now: Current time in seconds since the boot of the master.
        boot_seconds: Maximum time from power on to the first response of a rasp.
    """
    if commanded is None or state.error:
        return ""
    if commanded.outlet_differs:
        return describe_outlet_difference(state.outlet, commanded)
    responding = _power_of_rasps(rasps)
    age = now - commanded.since
    if not commanded.is_on and responding is PowerState.ON and age > 2 * MAX_SAMPLE_AGE_SECONDS:
        return _still_responding(state.outlet, rasps)
    if (
        commanded.is_on
        and state.outlet.slot is None
        and state.observed is PowerState.UNKNOWN
        and responding is PowerState.OFF
        and age > boot_seconds
    ):
        switch = "relay" if state.outlet.source == GPIO else "outlet"
        return (
            f"switched on, but no rasp responds: check the {switch}, the wiring, the supply and the"
            " switch. Rasps that were shut down need a power cycle"
        )
    return ""


def _still_responding(outlet: Outlet, rasps: Sequence[RaspState]) -> str:
    cause = "a stuck relay" if outlet.source == GPIO else "a stuck outlet, the wiring"
    if outlet.slot is not None:  # the names would divide one issue of several rasps
        return f"switched off, but still responds: check for {cause} or another supply"
    names = ", ".join(rasp.slot.name for rasp in rasps if _is_responding(rasp))
    return f"switched off, but {names} still respond: check for {cause} or another supply"


def describe_outlet_difference(outlet: Outlet, commanded: CommandedPower) -> str:
    """Describe how the power that was read from an outlet differs from its command."""
    command, actual = ("on", "off") if commanded.is_on else ("off", "on")
    switch, cause = (
        ("relay", "the pin was released")
        if outlet.source == GPIO
        else ("outlet", "something other than PiRack switched it")
    )
    return (
        f"commanded {command}, but its {switch} is {actual}: an order was interrupted, or {cause}."
        " Use power on or power off"
    )


def _stack_mismatch(outlets: Sequence[OutletState]) -> str:
    """Return the mismatches of the outlets of a stack, with names if it has several outlets."""
    names: dict[str, list[str]] = {}
    for outlet in outlets:
        if outlet.mismatch:
            names.setdefault(outlet.mismatch, []).append(outlet.outlet.name)
    if len(outlets) == 1:
        return outlets[0].mismatch
    return "; ".join(f"{', '.join(affected)}: {mismatch}" for mismatch, affected in names.items())


def _is_responding(rasp: RaspState) -> bool:
    return rasp.state is RaspStatus.UP or rasp.answers_ping is True
