"""Observed power: what the rasps of a stack show of it, held against what was commanded.

"The relay says off" is not "the Pi is off": a contact may be welded, a Pi may have another supply,
or a supply may be dead. So the two are told apart, and where they differ.
"""

from collections.abc import Sequence

from controller.state.model import MAX_SAMPLE_AGE_SECONDS, PowerState, RaspState, RaspStatus
from rack.commanded_power import CommandedPower


def observed_power(rasps: Sequence[RaspState]) -> PowerState:
    """Return what the rasps of a stack show of its power.

    On if any of them answers, off if they were all asked lately and none does; unknown where
    somebody was not asked, and where nobody is installed.
    """
    if any(_is_responding(rasp) for rasp in rasps):
        return PowerState.ON
    known = [rasp for rasp in rasps if rasp.rasp is not None]
    if known and all(rasp.state in {RaspStatus.DOWN, RaspStatus.OFF} for rasp in known):
        return PowerState.OFF
    return PowerState.UNKNOWN


def power_mismatch(
    commanded: CommandedPower | None,
    rasps: Sequence[RaspState],
    now: float,
    boot_seconds: float,
) -> str:
    """Tell where the observed power differs from the commanded one, for longer than it need.

    Args:
        commanded: what the stack was last commanded; None where nobody knows.
        rasps: the stack's.
        now: seconds since the epoch.
        boot_seconds: what a rasp gets from power to its first answer.

    Returns:
        A line for people; empty where all goes together, or nobody can tell.
    """
    if commanded is None:
        return ""
    observed = observed_power(rasps)
    age = now - commanded.since
    if not commanded.is_on and observed is PowerState.ON and age > 2 * MAX_SAMPLE_AGE_SECONDS:
        names = ", ".join(rasp.slot.name for rasp in rasps if _is_responding(rasp))
        return (
            f"it was switched off, and there are answers from {names}:"
            " its relay is stuck, or there is another supply"
        )
    if commanded.is_on and observed is PowerState.OFF and age > boot_seconds:
        return "it was switched on, and none of its rasps answers: see its relay, supply and switch"
    return ""


def _is_responding(rasp: RaspState) -> bool:
    return rasp.state is RaspStatus.UP or rasp.answers_ping is True
