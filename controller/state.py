"""The rack's state as people ask for it: decided here, from what Prometheus and the inventory say.

Nothing in this module asks anybody anything: see `controller.watch` for that.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.prometheus import Sample
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack

STATE_SERIES = "rack_stack_slot:pirack_rasp_state:max"
"""The recording rule that tells a rasp's state; its values are those of `_RULE`."""

_TEMPERATURE_SERIES = "pirack_cpu_temperature_celsius"
_LOAD_SERIES = "pirack_cpu_load1"
_BOOT_SERIES = "pirack_boot_time_seconds"
_PING_SERIES = "probe_success"
_POWER_SERIES = "pirack_stack_power_state"

NOT_OLDER_THAN = "15s"
"""Three scrape intervals of prometheus/prometheus.yml. What is older is no state.

A plain selector would look back for five minutes, past a time in which Prometheus was away.
"""


class State(StrEnum):
    """A rasp's state. `unknown`: nobody can tell."""

    UP = "up"
    DOWN = "down"
    OFF = "off"
    UNKNOWN = "unknown"


class Warmth(StrEnum):
    """How warm a rasp that is up is, by the thresholds of Prometheus' state rule."""

    NORMAL = "normal"
    WARM = "warm"
    HOT = "hot"


class Power(StrEnum):
    """Whether a stack's relay gives power."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


_RULE: Mapping[float, tuple[State, Warmth | None]] = {
    0: (State.DOWN, None),
    1: (State.UP, Warmth.NORMAL),
    2: (State.UP, Warmth.WARM),
    3: (State.UP, Warmth.HOT),
    4: (State.OFF, None),
}


@dataclass(frozen=True, slots=True)
class RaspState:
    """A slot, the rasp that was found in it, and how that one is.

    `why` tells in one line for people why it is not up; empty where it is.
    `temperature_celsius`, `load1` (runnable tasks, mean of a minute), `boot_time_seconds` (since
    the epoch) and `answers_ping` are None where nobody has read them.
    """

    slot: Slot
    rasp: Rasp | None
    state: State
    why: str = ""
    warmth: Warmth | None = None
    temperature_celsius: float | None = None
    load1: float | None = None
    boot_time_seconds: float | None = None
    answers_ping: bool | None = None


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack, its commanded power and its rasps."""

    stack: Stack
    power: Power
    rasps: tuple[RaspState, ...]


@dataclass(frozen=True)
class RackState:
    """The whole rack at one moment; `trouble` says why states are unknown, if they are."""

    rack: Rack
    stacks: tuple[StackState, ...]
    trouble: str = ""
    counts: Mapping[State, int] = field(init=False)

    def __post_init__(self) -> None:
        counted = Counter(rasp.state for rasp in self.rasps)
        object.__setattr__(self, "counts", {state: counted[state] for state in State})

    @property
    def rasps(self) -> tuple[RaspState, ...]:
        """All slots' rasps, in order of their ids."""
        return tuple(rasp for stack in self.stacks for rasp in stack.rasps)

    @property
    def needing_care(self) -> Mapping[tuple[State | Warmth, str], list[RaspState]]:
        """The rasps that somebody should look at, by what is wrong and why, the worst first."""
        care: dict[tuple[State | Warmth, str], list[RaspState]] = {}
        wrongs: tuple[State | Warmth, ...] = (State.DOWN, State.UNKNOWN, Warmth.HOT)
        for wrong in wrongs:
            for rasp in self.rasps:
                if wrong in {rasp.state, rasp.warmth}:
                    care.setdefault((wrong, rasp.why), []).append(rasp)
        return care

    @property
    def hottest(self) -> RaspState | None:
        """The rasp with the highest temperature, None where none is known."""
        read = [rasp for rasp in self.rasps if rasp.temperature_celsius is not None]
        return max(read, key=lambda rasp: rasp.temperature_celsius or 0.0, default=None)


def expression(rack: Rack) -> str:
    """Return the one PromQL expression that fetches all that `decide` wants to know of a rack."""
    names = "|".join(
        [STATE_SERIES, _TEMPERATURE_SERIES, _LOAD_SERIES, _BOOT_SERIES, _PING_SERIES, _POWER_SERIES]
    )
    return f'last_over_time({{__name__=~"{names}", rack="{rack.name}"}}[{NOT_OLDER_THAN}])'


def decide(
    rack: Rack,
    rasps: Mapping[tuple[int, int], Rasp],
    samples: Iterable[Sample],
    trouble: str = "",
) -> RackState:
    """Return the state of a rack.

    Args:
        rack: its layout.
        rasps: its inventory, by (stack, slot).
        samples: Prometheus' answer to `expression`; empty where it gave none.
        trouble: why it gave none.
    """
    readings: dict[tuple[str, str], dict[str, float]] = {}
    for sample in samples:
        place = (sample.labels.get("stack", ""), sample.labels.get("slot", ""))
        readings.setdefault(place, {})[sample.name] = sample.value
    stacks = tuple(
        StackState(
            stack,
            _power(readings.get((stack.name, ""), {})),
            tuple(
                _decide_rasp(
                    slot,
                    rasps.get((slot.stack, slot.number)),
                    readings.get((stack.name, str(slot.number)), {}),
                    trouble,
                )
                for slot in stack.slots
            ),
        )
        for stack in rack.stacks
    )
    return RackState(rack, stacks, trouble)


def _power(readings: Mapping[str, float]) -> Power:
    match readings.get(_POWER_SERIES):
        case 1:
            return Power.ON
        case 0:
            return Power.OFF
        case _:
            return Power.UNKNOWN


def _decide_rasp(
    slot: Slot, rasp: Rasp | None, readings: Mapping[str, float], trouble: str
) -> RaspState:
    if rasp is None:
        return RaspState(slot, None, State.UNKNOWN, "not installed: no Pi is known in this slot")
    state, warmth = _RULE.get(readings.get(STATE_SERIES, -1), (State.UNKNOWN, None))
    ping = readings.get(_PING_SERIES)
    # The last readings of a rasp that has gone are its past, not its state.
    now = readings if state is State.UP else {}
    return RaspState(
        slot,
        rasp,
        state,
        _why(state, ping, trouble),
        warmth,
        temperature_celsius=now.get(_TEMPERATURE_SERIES),
        load1=now.get(_LOAD_SERIES),
        boot_time_seconds=now.get(_BOOT_SERIES),
        answers_ping=None if ping is None else bool(ping),
    )


def _why(state: State, ping: float | None, trouble: str) -> str:
    match state:
        case State.UNKNOWN:
            return trouble or "Prometheus has no recent reading of it"
        case State.OFF:
            return "its stack is switched off"
        case State.DOWN if ping == 1:
            return "it answers ping, but its exporter does not"
        case State.DOWN if ping == 0:
            return "neither it nor its exporter answers"
        case State.DOWN:
            return "its exporter does not answer"
        case _:
            return ""
