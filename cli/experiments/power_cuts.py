"""Power cuts of a run on the clock of its history."""

from collections.abc import Iterable
from dataclasses import dataclass

from cli.experiments.models import ApiRunEvent


@dataclass(frozen=True)
class PowerCut:
    """Stacks and rasps whose power one fault cut.

    Attributes:
        stacks: Numbers of the stacks that have one outlet.
        at: Time at which the last of them was without power, in seconds of the history's clock.
        rasps: Names of the rasps that have an outlet of their own.
    """

    stacks: tuple[int, ...]
    at: float
    rasps: tuple[str, ...] = ()


def power_cuts(events: Iterable[ApiRunEvent], origin: float) -> list[PowerCut]:
    """Return the power cuts among the events of a run, by time.

    Args:
        events: Events of the run.
        origin: Monotonic clock of the controller at time 0 of the history, in seconds.
    """
    stacks: dict[int | None, set[int]] = {}
    rasps: dict[int | None, set[str]] = {}
    times: dict[int | None, float] = {}
    for event in events:
        if event.kind == "edge" and event.is_on is False and event.stack is not None:
            at = event.monotonic if event.after is None else event.after
            if event.rasp is None:
                stacks.setdefault(event.fault, set()).add(event.stack)
            else:
                rasps.setdefault(event.fault, set()).add(event.rasp)
            times[event.fault] = max(at, times.get(event.fault, at))
    cuts = [
        PowerCut(
            tuple(sorted(stacks.get(fault, ()))),
            time - origin,
            tuple(sorted(rasps.get(fault, ()))),
        )
        for fault, time in times.items()
    ]
    return sorted(cuts, key=lambda cut: cut.at)
