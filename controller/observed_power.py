"""Observed power: what the rasps of a stack show of it, held against what was commanded.

"The relay says off" is not "the Pi is off": a contact may be welded, a Pi may have another supply,
or a supply may be dead. So the two are told apart, and where they differ.
"""

from collections.abc import Sequence

from controller.state import NOT_OLDER_THAN_SECONDS, Power, RaspState, State
from rack.commanded import CommandedPower


def observe(rasps: Sequence[RaspState]) -> Power:
    """Return what the rasps of a stack show of its power.

    On if any of them answers, off if they were all asked lately and none does; unknown where
    somebody was not asked, and where nobody is installed.
    """
    if any(_answers(rasp) for rasp in rasps):
        return Power.ON
    known = [rasp for rasp in rasps if rasp.rasp is not None]
    if known and all(rasp.state in {State.DOWN, State.OFF} for rasp in known):
        return Power.OFF
    return Power.UNKNOWN


def disagreement(
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
    observed = observe(rasps)
    age = now - commanded.since
    if not commanded.is_on and observed is Power.ON and age > 2 * NOT_OLDER_THAN_SECONDS:
        names = ", ".join(rasp.slot.name for rasp in rasps if _answers(rasp))
        return (
            f"it was switched off, and there are answers from {names}:"
            " its relay is stuck, or there is another supply"
        )
    if commanded.is_on and observed is Power.OFF and age > boot_seconds:
        return "it was switched on, and none of its rasps answers: see its relay, supply and switch"
    return ""


def _answers(rasp: RaspState) -> bool:
    return rasp.state is State.UP or rasp.answers_ping is True
