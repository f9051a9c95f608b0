"""Observed power: whether the rasps of a stack respond, compared with the commanded power.

The power of a stack also differs from the command if an order was interrupted before it moved the
relay: see `rack.relays`.

A relay that is commanded off does not prove that the stack is off: its contact may be welded, or a
rasp may have a second supply. A dead supply cuts the power of a stack that is commanded on.
"""

from collections.abc import Sequence

from controller.state.model import MAX_SAMPLE_AGE_SECONDS, PowerState, RaspState, RaspStatus
from rack.commanded_power import CommandedPower


def observed_power(rasps: Sequence[RaspState]) -> PowerState:
    """Return the observed power of a stack.

    On if any of its rasps responds. Off if recent samples show that no installed rasp responds,
    which is also the case if they are shut down and have power. Otherwise unknown.
    """
    if any(_is_responding(rasp) for rasp in rasps):
        return PowerState.ON
    installed = [rasp for rasp in rasps if rasp.rasp is not None]
    if installed and all(rasp.state in {RaspStatus.DOWN, RaspStatus.OFF} for rasp in installed):
        return PowerState.OFF
    return PowerState.UNKNOWN


def power_mismatch(
    commanded: CommandedPower | None,
    rasps: Sequence[RaspState],
    now: float,
    boot_seconds: float,
) -> str:
    """Describe how the power of a stack differs from the command. Return "" if they agree.

    Observed power is ignored after a recent command, because it follows the command with a delay.

    Args:
        commanded: Last command of the stack, or None if it is unknown.
        rasps: Rasps of the stack.
        now: Current time in seconds since the boot of the master.
        boot_seconds: Maximum time from power on to the first response of a rasp.
    """
    if commanded is None:
        return ""
    if commanded.relay_differs:
        return relay_mismatch(commanded)
    observed = observed_power(rasps)
    age = now - commanded.since
    if not commanded.is_on and observed is PowerState.ON and age > 2 * MAX_SAMPLE_AGE_SECONDS:
        names = ", ".join(rasp.slot.name for rasp in rasps if _is_responding(rasp))
        return f"switched off, but {names} still respond: check for a stuck relay or another supply"
    if commanded.is_on and observed is PowerState.OFF and age > boot_seconds:
        return (
            "switched on, but no rasp responds: check the relay, the wiring, the supply and the"
            " switch. Rasps that were shut down need a power cycle"
        )
    return ""


def relay_mismatch(commanded: CommandedPower) -> str:
    """Describe how the relay of a stack differs from the command."""
    command, relay = ("on", "off") if commanded.is_on else ("off", "on")
    return (
        f"commanded {command}, but its relay is {relay}: an order was interrupted, or the pin was"
        " released. Use power on or power off"
    )


def _is_responding(rasp: RaspState) -> bool:
    return rasp.state is RaspStatus.UP or rasp.answers_ping is True
