"""The state of the rack, its stacks and its rasps."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from controller.state.durations import coarse_duration
from rack.inventory import Rasp
from rack.layout import GPIO, Outlet, Rack, Slot, Stack

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


class RaspOperation(StrEnum):
    """What an order or install is doing with a rasp."""

    SHUTTING_DOWN = "shutting down"
    CUTTING_POWER = "cutting power"
    POWER_CYCLE = "power cycle"
    WAITING = "waiting"
    BOOTING = "booting"
    INSTALLING = "installing"


class TemperatureLevel(StrEnum):
    """Temperature level of a rasp that is up, by the thresholds of the state rule."""

    NORMAL = "normal"
    WARM = "warm"
    HOT = "hot"


class PowerState(StrEnum):
    """Commanded or observed power of a stack or of an outlet.

    `partial`: some outlets of the stack are on, and some are off.
    """

    ON = "on"
    OFF = "off"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OutletState:
    """An outlet. Unknown values are None.

    Attributes:
        power: Commanded power. Unknown if there was no command, or while the outlet cannot be read.
        observed: Power that was read from the outlet.
        watts: Measured power.
        energy_joules: Measured energy since the start of the controller.
        detail: What the outlet reports in addition.
        error: Reason why the outlet cannot be read, with a fix, or "".
        mismatch: How the power differs from the command, or "" if they agree.
        differs: Whether the outlet is known not to follow the command.
    """

    outlet: Outlet
    power: PowerState = PowerState.UNKNOWN
    observed: PowerState = PowerState.UNKNOWN
    watts: float | None = None
    energy_joules: float | None = None
    detail: str = ""
    error: str = ""
    mismatch: str = ""
    differs: bool = False


@dataclass(frozen=True, slots=True)
class RaspState:
    """A slot, its rasp, and the state of the rasp. Unknown values are None.

    Attributes:
        rasp: The installed rasp, or None if none is installed, or it is unknown which one was.
        reason: Reason why the rasp is not up, or "".
        operation: What an order or install is doing with the rasp, or None.
        last_seen_at: Time of the last successful scrape of a rasp that is not up, in seconds since
            the epoch.
        last_temperature_celsius: Temperature in that scrape. It is not the current temperature.
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
        power: Commanded power of the outlet that powers the slot.
        outlet: State of the outlet of this slot, or None if the slots of the stack share an outlet.
        is_installed: Whether a rasp is installed.
    """

    slot: Slot
    rasp: Rasp | None
    state: RaspStatus
    reason: str = ""
    operation: RaspOperation | None = None
    last_seen_at: float | None = None
    last_temperature_celsius: float | None = None
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
    power: PowerState = PowerState.UNKNOWN
    outlet: OutletState | None = None
    is_installed: bool = True

    @property
    def is_busy(self) -> bool:
        """Whether the rasp is not up because of an order or install. This is not an issue."""
        return self.operation is not None and self.state is not RaspStatus.UP

    @property
    def down_since(self) -> float | None:
        """Time of the last successful scrape of a rasp that is down."""
        return self.last_seen_at if self.state is RaspStatus.DOWN else None

    @property
    def memory_used_ratio(self) -> float | None:
        """Fraction of the memory in use, 0 to 1."""
        if self.memory_available_bytes is None or not self.memory_total_bytes:
            return None
        return 1 - self.memory_available_bytes / self.memory_total_bytes

    @property
    def watts(self) -> float | None:
        """Measured power of this rasp, if it has an outlet of its own."""
        return self.outlet.watts if self.outlet else None

    @property
    def energy_joules(self) -> float | None:
        """Measured energy of this rasp, if it has an outlet of its own."""
        return self.outlet.energy_joules if self.outlet else None

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
        observed: Observed power. See `controller.state.outlets`.
        power_mismatch: How the power differs from the command, or "" if they agree.
        outlet_differs: Whether an outlet is known not to follow the command.
        reserved_by: Holder of the reservation, such as `order 12: power_off`, or "".
        outlets: The outlet of the stack, or the outlets of its slots.
    """

    stack: Stack
    power: PowerState
    rasps: tuple[RaspState, ...]
    observed: PowerState = PowerState.UNKNOWN
    power_mismatch: str = ""
    outlet_differs: bool = False
    reserved_by: str = ""
    outlets: tuple[OutletState, ...] = ()

    @property
    def watts(self) -> float | None:
        """Measured power of the stack, if all its outlets are measured or off."""
        measured = [outlet.watts for outlet in self.outlets if outlet.watts is not None]
        others = [outlet for outlet in self.outlets if outlet.watts is None]
        if not measured or any(outlet.observed is not PowerState.OFF for outlet in others):
            return None
        return sum(measured)

    @property
    def energy_joules(self) -> float | None:
        """Measured energy of the stack, if any of its outlets is measured."""
        measured = [each.energy_joules for each in self.outlets if each.energy_joules is not None]
        return sum(measured) if measured else None

    @property
    def power_warnings(self) -> Iterator[tuple[str, tuple[RaspState, ...]]]:
        """Reasons why the power is not as commanded, or unknown, with the affected rasps."""
        has_outlet_per_slot = self.stack.has_outlet_per_slot
        if self.power_mismatch and not has_outlet_per_slot:
            yield self.power_mismatch, self.rasps
        for state in self.outlets:
            affected = self.rasps
            if state.outlet.slot is not None:
                affected = (self.rasps[state.outlet.slot - 1],)
            if state.mismatch and has_outlet_per_slot:
                yield state.mismatch, affected
            if state.error and state.outlet.source != GPIO:
                yield f"unknown: {source_error(state.outlet, state.error)}", affected


def source_error(outlet: Outlet, error: str) -> str:
    """Return an error of an outlet without its address, which is the same for all of a source.

    `poe:5 (snmp 10.23.0.2): no reply within 5 s` becomes `poe (snmp 10.23.0.2): no reply within
    5 s`.
    """
    label = outlet.label
    if outlet.source != GPIO and error.startswith((f"{label} ", f"{label}:")):
        return outlet.source + error.removeprefix(label)
    return error


@dataclass(frozen=True)
class RackState:
    """State of the rack at one moment.

    Attributes:
        rack: Layout of the rack.
        stacks: Its stacks.
        error: Reason why all states are unknown.
        counts: Number of rasps in each state, without the busy rasps.
        operations: Number of busy rasps for each operation, most frequent operation first.
    """

    rack: Rack
    stacks: tuple[StackState, ...]
    error: str = ""
    counts: Mapping[RaspStatus, int] = field(init=False)
    operations: Mapping[RaspOperation, int] = field(init=False)

    def __post_init__(self) -> None:
        counts = Counter(rasp.state for rasp in self.rasps if not rasp.is_busy)
        operations = Counter(
            rasp.operation for rasp in self.rasps if rasp.operation and rasp.is_busy
        )
        object.__setattr__(self, "counts", {state: counts[state] for state in RaspStatus})
        object.__setattr__(self, "operations", dict(operations.most_common()))

    @property
    def rasps(self) -> tuple[RaspState, ...]:
        """States of all slots, sorted by id."""
        return tuple(rasp for stack in self.stacks for rasp in stack.rasps)

    @property
    def watts(self) -> float | None:
        """Measured power of all outlets, or None if none is measured."""
        measured = [stack.watts for stack in self.stacks if stack.watts is not None]
        return sum(measured) if measured else None

    @property
    def power_warnings(self) -> Mapping[str, list[RaspState]]:
        """Affected rasps for each reason why power is not as commanded, or unknown."""
        warnings: dict[str, list[RaspState]] = {}
        for stack in self.stacks:
            for reason, affected in stack.power_warnings:
                warnings.setdefault(reason, []).extend(affected)
        return warnings

    @property
    def hottest(self) -> RaspState | None:
        """The rasp with the highest temperature, or None if no temperature is known."""
        measured = [rasp for rasp in self.rasps if rasp.temperature_celsius is not None]
        return max(measured, key=lambda rasp: rasp.temperature_celsius or 0.0, default=None)
