"""API models of rasps, stacks and their outlets."""

from ipaddress import IPv4Address
from typing import Self

from pydantic import Field

from controller.state.model import (
    OutletState,
    PowerState,
    RaspOperation,
    RaspState,
    RaspStatus,
    StackState,
    TemperatureLevel,
)
from controller.web.models import ApiModel, example_config
from rack.layout import GPIO


class OutletResponse(ApiModel):
    """What switches the power of a stack or of one rasp. Unknown values are null."""

    model_config = example_config(
        name="03-2",
        slot=2,
        label="poe:10",
        power="on",
        observed="on",
        watts=3.4,
        energy_joules=12240.0,
        detail="delivering power",
        error="",
    )

    name: str = Field(description="name of the stack or rasp that the outlet powers")
    slot: int | None = Field(description="slot of the rasp; null if the outlet powers the stack")
    label: str = Field(description="power source and address, such as `poe:10` or `GPIO17`")
    power: PowerState = Field(
        description="commanded power; `unknown` while the outlet cannot be read"
    )
    observed: PowerState = Field(description="power that was read from the outlet")
    watts: float | None = Field(description="measured power")
    energy_joules: float | None = Field(
        description="measured energy since the start of the controller"
    )
    detail: str = Field(description="what the outlet reports in addition")
    error: str = Field(description="reason why the outlet cannot be read; empty if it can")

    @classmethod
    def of(cls, state: OutletState) -> Self:
        """Return the model of an outlet."""
        return cls(
            name=state.outlet.name,
            slot=state.outlet.slot,
            label=state.outlet.label,
            power=state.power,
            observed=state.observed,
            watts=state.watts,
            energy_joules=state.energy_joules,
            detail=state.detail,
            error=state.error,
        )


class RaspResponse(ApiModel):
    """A rasp. Unknown values are null."""

    model_config = example_config(
        id=10,
        name="03-2",
        host_name="rasp-03-2",
        stack=3,
        slot=2,
        mac="b8:27:eb:00:00:0a",
        ip="10.23.3.2",
        state="up",
        reason="",
        operation=None,
        last_seen_at=None,
        last_temperature_celsius=None,
        temperature_level="normal",
        temperature_celsius=48.3,
        load1=0.12,
        cpu_busy_cores=0.31,
        memory_available_bytes=742391808,
        memory_total_bytes=968884224,
        conditions=[],
        conditions_since_boot=["under_voltage"],
        boot_time_seconds=1767225600.0,
        uptime_seconds=3600.0,
        clock_offset_seconds=-0.2,
        is_clock_off=False,
        answers_ping=True,
        pinged_at=1767229200.0,
        power="on",
        outlet=None,
    )

    id: int
    name: str
    host_name: str
    stack: int
    slot: int
    mac: str | None
    ip: IPv4Address | None
    state: RaspStatus
    reason: str = Field(description="reason why the rasp is not up; empty if it is up")
    operation: RaspOperation | None = Field(
        description="what an order or install is doing with the rasp; a rasp with an operation that"
        " is not up is no issue"
    )
    last_seen_at: float | None = Field(
        description="time of the last successful scrape of a rasp that is not up; null if it is up"
    )
    last_temperature_celsius: float | None = Field(
        description="temperature in that scrape, not the current temperature"
    )
    temperature_level: TemperatureLevel | None
    temperature_celsius: float | None
    load1: float | None = Field(description="runnable tasks, average of the last minute")
    cpu_busy_cores: float | None = Field(
        description="busy CPU cores, average of the last 30 seconds"
    )
    memory_available_bytes: float | None
    memory_total_bytes: float | None
    conditions: list[str] | None = Field(
        description="power and temperature warnings of the firmware, such as `under_voltage`"
    )
    conditions_since_boot: list[str] | None
    boot_time_seconds: float | None = Field(
        description="time of the last boot by the rasp's own clock, which may be wrong"
    )
    uptime_seconds: float | None = Field(description="seconds since the last boot")
    clock_offset_seconds: float | None = Field(
        description="offset of the rasp's clock from the master's, negative if it is behind"
    )
    is_clock_off: bool | None = Field(
        description="whether the clock offset exceeds the threshold of the alert rules"
    )
    answers_ping: bool | None
    pinged_at: float | None = Field(description="time of the last ping")
    power: PowerState = Field(description="commanded power of the outlet that powers the rasp")
    outlet: OutletResponse | None = Field(
        description="outlet of this rasp; null if the rasps of its stack share an outlet"
    )

    @classmethod
    def of(cls, rasp: RaspState) -> Self:
        """Return the model of a rasp."""
        return cls(
            id=rasp.slot.id,
            name=rasp.slot.name,
            host_name=rasp.slot.host_name,
            stack=rasp.slot.stack,
            slot=rasp.slot.number,
            mac=rasp.rasp.mac if rasp.rasp else None,
            ip=rasp.rasp.address if rasp.rasp else None,
            state=rasp.state,
            reason=rasp.reason,
            operation=rasp.operation,
            last_seen_at=rasp.last_seen_at,
            last_temperature_celsius=rasp.last_temperature_celsius,
            temperature_level=rasp.temperature_level,
            temperature_celsius=rasp.temperature_celsius,
            load1=rasp.load1,
            cpu_busy_cores=rasp.cpu_busy_cores,
            memory_available_bytes=rasp.memory_available_bytes,
            memory_total_bytes=rasp.memory_total_bytes,
            conditions=_sorted_or_none(rasp.conditions),
            conditions_since_boot=_sorted_or_none(rasp.conditions_since_boot),
            boot_time_seconds=rasp.boot_time_seconds,
            uptime_seconds=rasp.uptime_seconds,
            clock_offset_seconds=rasp.clock_offset_seconds,
            is_clock_off=rasp.is_clock_off,
            answers_ping=rasp.answers_ping,
            pinged_at=rasp.pinged_at,
            power=rasp.power,
            outlet=OutletResponse.of(rasp.outlet) if rasp.outlet else None,
        )


def _sorted_or_none(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


class StackResponse(ApiModel):
    """A stack, its position (`x`, `y`: column and row from the top left) and its rasps."""

    number: int
    pin: int | None = Field(
        description="BCM number of the relay's pin; null without a relay of the master"
    )
    outlets: list[OutletResponse] = Field(
        description="the outlet of the stack, or one outlet for each slot"
    )
    x: int
    y: int
    power: PowerState = Field(
        description="commanded power; `partial` if some outlets are on and some are off"
    )
    observed: PowerState = Field(
        description="power that was read from the outlets; otherwise `on` if a rasp responds"
    )
    watts: float | None = Field(description="measured power")
    energy_joules: float | None = Field(
        description="measured energy since the start of the controller"
    )
    power_mismatch: str = Field(
        description="how the power differs from the command; empty if they agree"
    )
    reserved_by: str = Field(
        description="order or install that has reserved the stack; otherwise empty"
    )
    rasps: list[RaspResponse]

    @classmethod
    def of(cls, stack: StackState) -> Self:
        """Return the model of a stack."""
        outlet = stack.stack.outlets[0]
        is_relay = outlet.source == GPIO and outlet.slot is None
        return cls(
            number=stack.stack.number,
            pin=int(outlet.address) if is_relay else None,
            outlets=[OutletResponse.of(state) for state in stack.outlets],
            x=stack.stack.x,
            y=stack.stack.y,
            power=stack.power,
            observed=stack.observed,
            watts=stack.watts,
            energy_joules=stack.energy_joules,
            power_mismatch=stack.power_mismatch,
            reserved_by=stack.reserved_by,
            rasps=[RaspResponse.of(rasp) for rasp in stack.rasps],
        )
