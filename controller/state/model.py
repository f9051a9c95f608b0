"""The rack's state as people ask for it. `controller.state.build` makes it of what is known."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack

MAX_SAMPLE_AGE_SECONDS = 15
"""Three scrape intervals of prometheus/prometheus.yml. What is older is no state.

A plain selector would look back for five minutes, past a time in which Prometheus was away.
"""


class RaspStatus(StrEnum):
    """A rasp's state. `unknown`: nobody can tell."""

    UP = "up"
    DOWN = "down"
    OFF = "off"
    UNKNOWN = "unknown"


class StackIssue(StrEnum):
    """What is wrong with a stack as a whole. `power`: it is not as it was commanded."""

    POWER = "power"


class TemperatureLevel(StrEnum):
    """How warm a rasp that is up is, by the thresholds of Prometheus' state rule."""

    NORMAL = "normal"
    WARM = "warm"
    HOT = "hot"


class PowerState(StrEnum):
    """Whether a stack has power: as it was commanded, or as it is observed."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RaspState:
    """A slot, the rasp that was found in it, and how that one is.

    `reason` tells in one line for people why it is not up; empty where it is. All that follows is None
    where nobody has read it: `load1` are runnable tasks, mean of a minute; `cpu_busy_cores` how
    many cores' worth of time was used, mean of half a minute; `conditions` what the firmware says
    of power and heat now, `conditions_since_boot` what it has said since boot; `answers_ping` and
    `pinged_at` how the last ping went, and when. Times are in seconds since the epoch.
    """

    slot: Slot
    rasp: Rasp | None
    state: RaspStatus
    reason: str = ""
    temperature_level: TemperatureLevel | None = None
    temperature_celsius: float | None = None
    load1: float | None = None
    cpu_busy_cores: float | None = None
    memory_available_bytes: float | None = None
    memory_total_bytes: float | None = None
    conditions: frozenset[str] | None = None
    conditions_since_boot: frozenset[str] | None = None
    boot_time_seconds: float | None = None
    answers_ping: bool | None = None
    pinged_at: float | None = None

    @property
    def memory_used_ratio(self) -> float | None:
        """How much of its memory is in use, 0 to 1."""
        if self.memory_available_bytes is None or not self.memory_total_bytes:
            return None
        return 1 - self.memory_available_bytes / self.memory_total_bytes


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack and its rasps.

    `power` is the one that was commanded, `observed` what its rasps show of it: on if any of them
    answers, off if none does, unknown if nobody has asked them lately. `power_mismatch` tells in one
    line for people where the two do not go together for longer than they need to; `reserved_by` who has
    the stack just now, such as `order 12: power_off`. Both are empty where there is nothing to say.
    """

    stack: Stack
    power: PowerState
    rasps: tuple[RaspState, ...]
    observed: PowerState = PowerState.UNKNOWN
    power_mismatch: str = ""
    reserved_by: str = ""


Issue = RaspStatus | TemperatureLevel | StackIssue
"""What somebody should look at a rasp for."""


@dataclass(frozen=True)
class RackState:
    """The whole rack at one moment; `error` says why states are unknown, if they are."""

    rack: Rack
    stacks: tuple[StackState, ...]
    error: str = ""
    counts: Mapping[RaspStatus, int] = field(init=False)

    def __post_init__(self) -> None:
        counted = Counter(rasp.state for rasp in self.rasps)
        object.__setattr__(self, "counts", {state: counted[state] for state in RaspStatus})

    @property
    def rasps(self) -> tuple[RaspState, ...]:
        """All slots' rasps, in order of their ids."""
        return tuple(rasp for stack in self.stacks for rasp in stack.rasps)

    @property
    def issues(self) -> Mapping[tuple[Issue, str], list[RaspState]]:
        """The rasps that somebody should look at, by what is wrong and why, the worst first."""
        care: dict[tuple[Issue, str], list[RaspState]] = {
            (StackIssue.POWER, stack.power_mismatch): list(stack.rasps)
            for stack in self.stacks
            if stack.power_mismatch
        }
        wrongs: tuple[RaspStatus | TemperatureLevel, ...] = (
            RaspStatus.DOWN,
            RaspStatus.UNKNOWN,
            TemperatureLevel.HOT,
        )
        for wrong in wrongs:
            for rasp in self.rasps:
                if wrong in {rasp.state, rasp.temperature_level}:
                    care.setdefault((wrong, rasp.reason), []).append(rasp)
        return care

    @property
    def hottest(self) -> RaspState | None:
        """The rasp with the highest temperature, None where none is known."""
        read = [rasp for rasp in self.rasps if rasp.temperature_celsius is not None]
        return max(read, key=lambda rasp: rasp.temperature_celsius or 0.0, default=None)
