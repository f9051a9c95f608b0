"""API models of rasps, stacks, rack, master, audit log and problems."""

from ipaddress import IPv4Address, IPv4Network
from typing import Self

from pydantic import Field, JsonValue, RootModel

from controller.audit import AuditRecord
from controller.master.info import MasterState
from controller.state.model import (
    PowerState,
    RackState,
    RaspState,
    RaspStatus,
    StackIssue,
    StackState,
    TemperatureLevel,
)
from controller.web.models import ApiModel, example_config, omittable
from rack.database import MAX_ROW_ID


class EmptyQuery(ApiModel):
    """Query without fields."""


class RaspsQuery(ApiModel):
    """Filters of `GET rasps`. A rasp must match all given filters."""

    stack: int | None = omittable(ge=1, description="Number of the stack.", examples=[3])
    state: RaspStatus | None = omittable(description="State of the rasp.", examples=["down"])
    q: str | None = omittable(
        max_length=100,
        description="Id, or part of the name, host name, MAC or IP address.",
        examples=["3/2"],
    )


class AuditQuery(ApiModel):
    """Filters of `GET audit`. An event must match all given filters."""

    limit: int = Field(default=50, ge=1, le=500, description="Maximum number of events.")
    before: int | None = omittable(
        ge=1, le=MAX_ROW_ID, description="Event id. Only older events are listed.", examples=[120]
    )
    q: str | None = omittable(
        max_length=100,
        description="Part of the actor, action, targets, result or detail.",
        examples=["log in"],
    )


class FieldError(ApiModel):
    """Unknown or invalid field of a request."""

    field: str
    message: str = Field(description="description of the error")


class Problem(ApiModel):
    """Error as problem details (RFC 9457)."""

    model_config = example_config(
        type="about:blank",
        title="Not Found",
        status=404,
        detail="no rasp 49: this rack has rasps 1 to 48",
    )

    type: str = "about:blank"
    title: str = Field(description="name of the status")
    status: int
    detail: str = Field(description="problem and fix")
    errors: list[FieldError] | None = omittable(
        description="unknown or invalid fields, for status 422"
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
        )


def _sorted_or_none(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


class StackResponse(ApiModel):
    """A stack, its position (`x`, `y`: column and row from the top left) and its rasps."""

    number: int
    pin: int = Field(description="BCM number of the relay's pin")
    x: int
    y: int
    power: PowerState = Field(description="commanded power")
    observed: PowerState = Field(description="`on` if a rasp of the stack responds")
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
        return cls(
            number=stack.stack.number,
            pin=stack.stack.pin,
            x=stack.stack.x,
            y=stack.stack.y,
            power=stack.power,
            observed=stack.observed,
            power_mismatch=stack.power_mismatch,
            reserved_by=stack.reserved_by,
            rasps=[RaspResponse.of(rasp) for rasp in stack.rasps],
        )


class HottestResponse(ApiModel):
    """Rasp with the highest temperature."""

    model_config = example_config(id=10, name="03-2", temperature_celsius=48.3)

    id: int
    name: str
    temperature_celsius: float


class IssueResponse(ApiModel):
    """Rasps with the same issue."""

    model_config = example_config(
        kind="down", reason="neither the rasp nor its exporter answers", rasps=["03-2", "07-1"]
    )

    kind: RaspStatus | TemperatureLevel | StackIssue = Field(
        description="`power` (differs from the command), `down`, `unknown` or `hot`"
    )
    reason: str
    rasps: list[str] = Field(description="names of the rasps")


class RackResponse(ApiModel):
    """The rack as a whole."""

    name: str
    stacks: int
    rasps: int
    states: dict[RaspStatus, int] = Field(description="number of rasps in each state")
    hottest: HottestResponse | None
    issues: list[IssueResponse] = Field(description="issues, most severe first")
    error: str = Field(description="reason why all states are unknown; otherwise empty")
    network: IPv4Network = Field(description="network of the rasps")
    exporter_port: int = Field(description="port of the exporters")

    @classmethod
    def of(cls, state: RackState) -> Self:
        """Return the model of a rack."""
        hottest = state.hottest
        return cls(
            name=state.rack.name,
            stacks=len(state.stacks),
            rasps=len(state.rasps),
            states=dict(state.counts),
            hottest=HottestResponse(
                id=hottest.slot.id,
                name=hottest.slot.name,
                temperature_celsius=hottest.temperature_celsius,
            )
            if hottest and hottest.temperature_celsius is not None
            else None,
            issues=[
                IssueResponse(kind=kind, reason=reason, rasps=[rasp.slot.name for rasp in rasps])
                for (kind, reason), rasps in state.issues.items()
            ],
            error=state.error,
            network=state.rack.network.subnet,
            exporter_port=state.rack.network.exporter_port,
        )


class InterfaceResponse(ApiModel):
    """Network interface of the master."""

    name: str
    mac: str | None
    ip: IPv4Address


class ServiceResponse(ApiModel):
    """Service on the master. `reason` explains why the service is not up."""

    name: str
    url: str = Field(description="URL, or name of the systemd unit")
    state: RaspStatus
    version: str | None
    reason: str


class MasterResponse(ApiModel):
    """The master. Unknown values are null."""

    host_name: str
    version: str = Field(description="version of PiRack")
    boot_time_seconds: float = Field(description="time of the last boot")
    uptime_seconds: float = Field(description="seconds since the last boot")
    cores: int
    cpu_used_ratio: float = Field(description="fraction of all cores in use since the last reading")
    load1: float = Field(description="runnable tasks, average of the last minute")
    memory_available_bytes: int
    memory_total_bytes: int
    disk_available_bytes: int = Field(description="file system of pirack.db")
    disk_size_bytes: int
    temperature_celsius: float | None
    conditions: list[str] | None = Field(
        description="power and temperature warnings of the firmware, such as `under_voltage`"
    )
    conditions_since_boot: list[str] | None
    is_time_synchronized: bool | None
    persists_outputs: bool | None = Field(
        description="whether the kernel keeps the GPIO outputs of a finished process"
    )
    interfaces: list[InterfaceResponse]
    services: list[ServiceResponse]

    @classmethod
    def of(cls, master: MasterState) -> Self:
        """Return the response for a master."""
        return cls.model_validate(master, from_attributes=True)


class AuditEventResponse(ApiModel):
    """Audit event."""

    id: int
    time: float = Field(description="time of the first occurrence")
    count: int = Field(description="number of occurrences within an hour")
    last_time: float = Field(description="time of the last occurrence")
    actor: str = Field(description="user, `token:NAME`, `console:NAME` or `anonymous`")
    client_address: str = Field(description="address of the client")
    action: str
    targets: str
    result: str = Field(description="`ok`, `failed`, `unknown` or `refused`")
    detail: str

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        """Return the model of an event."""
        event = record.event
        return cls(
            id=record.id,
            time=record.time,
            count=record.count,
            last_time=record.last_time,
            actor=event.actor,
            client_address=event.client_address,
            action=event.action,
            targets=event.targets,
            result=event.result,
            detail=event.detail,
        )


class DocumentResponse(RootModel[dict[str, JsonValue]]):
    """An OpenAPI document."""
