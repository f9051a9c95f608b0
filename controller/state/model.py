"""The state of the rack, its stacks and its rasps."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from controller.state.durations import coarse_duration
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack

MAX_SAMPLE_AGE_SECONDS = 15
"""Three scrape intervals of prometheus/prometheus.yml. Older samples are ignored.

A plain selector would accept samples up to five minutes old.
"""


class RaspStatus(StrEnum):
    """State of a rasp. `unknown`: the state cannot be determined."""

    UP = "up"
    DOWN = "down"
    OFF = "off"
    UNKNOWN = "unknown"


class StackIssue(StrEnum):
    """Issue of a whole stack. `power`: the power differs from the command."""

    POWER = "power"


class TemperatureLevel(StrEnum):
    """Temperature level of a rasp that is up, by the thresholds of the state rule."""

    NORMAL = "normal"
    WARM = "warm"
    HOT = "hot"


class PowerState(StrEnum):
    """Commanded or observed power of a stack."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RaspState:
    """A slot, its rasp, and the state of the rasp. Unknown values are None.

    Attributes:
        rasp: The installed rasp, or None.
        reason: Reason why the rasp is not up, or "".
        load1: Mean number of runnable tasks over one minute.
        cpu_busy_cores: Mean number of busy cores over 30 seconds.
        conditions: Active power and temperature conditions of the firmware.
        conditions_since_boot: Conditions that were active at any time since boot.
        boot_time_seconds: Boot time by the rasp's own clock, in seconds since the epoch.
        uptime_seconds: Seconds since the boot. Setting the clock does not change it.
        clock_offset_seconds: Offset of the rasp's clock from the master's clock.
        is_clock_off: Whether the offset exceeds the threshold of the alert rules.
        answers_ping: Result of the last ping.
        pinged_at: Time of the last ping in seconds since the epoch.
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
    uptime_seconds: float | None = None
    clock_offset_seconds: float | None = None
    is_clock_off: bool | None = None
    answers_ping: bool | None = None
    pinged_at: float | None = None

    @property
    def memory_used_ratio(self) -> float | None:
        """Fraction of the memory in use, 0 to 1."""
        if self.memory_available_bytes is None or not self.memory_total_bytes:
            return None
        return 1 - self.memory_available_bytes / self.memory_total_bytes

    @property
    def clock_difference(self) -> str:
        """How far the clock is off, such as `2 h behind the master's`. Empty if it is not off."""
        if not self.is_clock_off or self.clock_offset_seconds is None:
            return ""
        direction = "ahead of" if self.clock_offset_seconds > 0 else "behind"
        return f"{coarse_duration(abs(self.clock_offset_seconds))} {direction} the master's"


@dataclass(frozen=True, slots=True)
class StackState:
    """A stack and its rasps.

    Attributes:
        power: Commanded power.
        observed: Observed power. See `controller.state.observed_power`.
        power_mismatch: How the power differs from the command, or "" if they agree.
        relay_differs: Whether the relay is known not to follow the command.
        reserved_by: Holder of the reservation, such as `order 12: power_off`, or "".
    """

    stack: Stack
    power: PowerState
    rasps: tuple[RaspState, ...]
    observed: PowerState = PowerState.UNKNOWN
    power_mismatch: str = ""
    relay_differs: bool = False
    reserved_by: str = ""


Issue = RaspStatus | TemperatureLevel | StackIssue
"""A kind of issue that an operator should check."""


@dataclass(frozen=True)
class RackState:
    """State of the rack at one moment. `error` is the reason why all states are unknown."""

    rack: Rack
    stacks: tuple[StackState, ...]
    error: str = ""
    counts: Mapping[RaspStatus, int] = field(init=False)

    def __post_init__(self) -> None:
        counts = Counter(rasp.state for rasp in self.rasps)
        object.__setattr__(self, "counts", {state: counts[state] for state in RaspStatus})

    @property
    def rasps(self) -> tuple[RaspState, ...]:
        """States of all slots, sorted by id."""
        return tuple(rasp for stack in self.stacks for rasp in stack.rasps)

    @property
    def issues(self) -> Mapping[tuple[Issue, str], list[RaspState]]:
        """Affected rasps for each issue and reason, most severe issue first."""
        issues: dict[tuple[Issue, str], list[RaspState]] = {}
        for stack in self.stacks:
            if stack.power_mismatch:
                issue_of_stack = (StackIssue.POWER, stack.power_mismatch)
                issues.setdefault(issue_of_stack, []).extend(stack.rasps)
        rasp_issues: tuple[RaspStatus | TemperatureLevel, ...] = (
            RaspStatus.DOWN,
            RaspStatus.UNKNOWN,
            TemperatureLevel.HOT,
        )
        for issue in rasp_issues:
            for rasp in self.rasps:
                if issue in {rasp.state, rasp.temperature_level}:
                    issues.setdefault((issue, rasp.reason), []).append(rasp)
        return issues

    @property
    def hottest(self) -> RaspState | None:
        """The rasp with the highest temperature, or None if no temperature is known."""
        measured = [rasp for rasp in self.rasps if rasp.temperature_celsius is not None]
        return max(measured, key=lambda rasp: rasp.temperature_celsius or 0.0, default=None)


def filter_rasps(
    rasps: Iterable[RaspState],
    *,
    stack: int | None = None,
    state: RaspStatus | None = None,
    text: str | None = None,
) -> list[RaspState]:
    """Return the rasps that match all given filters.

    Args:
        rasps: Rasps to filter.
        stack: Number of the stack.
        state: State of the rasp.
        text: Id of the rasp, or its name, host name, place, MAC or IP address. If no rasp has this
            name or address, the text may also be a part of it.
    """
    found = list(rasps) if text is None else _search(list(rasps), text.strip().lower())
    return [
        rasp for rasp in found if stack in {None, rasp.slot.stack} and state in {None, rasp.state}
    ]


def _search(rasps: Sequence[RaspState], text: str) -> list[RaspState]:
    if text.isdecimal():  # most addresses contain short numbers such as "10"
        return [rasp for rasp in rasps if text == str(rasp.slot.id)]
    # The place 1/2 is also a part of 11/2, and the name 01-1 of 01-10.
    named = [rasp for rasp in rasps if text in _names(rasp)]
    return named or [rasp for rasp in rasps if any(text in name for name in _names(rasp))]


def _names(rasp: RaspState) -> list[str]:
    names = [rasp.slot.name, rasp.slot.host_name, rasp.slot.target]
    return names + ([rasp.rasp.mac, str(rasp.rasp.address)] if rasp.rasp else [])
