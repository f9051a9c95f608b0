"""What the API says and takes, as models: the field's names and units are the contract."""

from ipaddress import IPv4Address
from typing import Self

from pydantic import Field, JsonValue, RootModel

from controller.audit import AuditRecord
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


class EmptyQuery(ApiModel):
    """The fields of an endpoint that takes none."""


class RaspsQuery(ApiModel):
    """The filters of `GET rasps`; all that are given must hold."""

    stack: int | None = omittable(ge=1, description="A stack's number.", examples=[3])
    state: RaspStatus | None = omittable(description="The state to be in.", examples=["down"])
    q: str | None = omittable(
        max_length=100,
        description="An id, or a part of a name, host name, MAC or IP.",
        examples=["3/2"],
    )


class AuditQuery(ApiModel):
    """Which events to list; all that are given must hold."""

    limit: int = Field(default=50, ge=1, le=500, description="How many, at most.")
    before: int | None = omittable(
        ge=1, le=2**62, description="An event's id: older ones alone.", examples=[120]
    )
    q: str | None = omittable(
        max_length=100,
        description="A part of who did it, of what it was, its targets, or its result.",
        examples=["log in"],
    )


class FieldError(ApiModel):
    """A field of a request that is unknown or wrong."""

    field: str
    message: str = Field(description="what is wrong with it")


class Problem(ApiModel):
    """Why there is no answer, after RFC 9457."""

    model_config = example_config(
        type="about:blank",
        title="Not Found",
        status=404,
        detail="no rasp 49: this rack has rasps 1 to 48",
    )

    type: str = "about:blank"
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what is wrong, and the mend, for people")
    errors: list[FieldError] | None = omittable(
        description="at 422: each field that is unknown or wrong"
    )


class RaspResponse(ApiModel):
    """A rasp. What nobody has read, or found, is null."""

    model_config = example_config(
        id=10,
        name="03-2",
        host_name="rasp-03-2",
        stack=3,
        slot=2,
        mac="b8:27:eb:00:00:0a",
        ip="10.23.3.2",
        state="up",
        why="",
        warmth="normal",
        temperature_celsius=48.3,
        load1=0.12,
        cpu_busy_cores=0.31,
        memory_available_bytes=742391808,
        memory_total_bytes=968884224,
        conditions=[],
        conditions_since_boot=["under_voltage"],
        boot_time_seconds=1767225600.0,
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
    reason: str = Field(description="why it is not up; empty where it is")
    temperature_level: TemperatureLevel | None
    temperature_celsius: float | None
    load1: float | None = Field(description="runnable tasks, mean of the last minute")
    cpu_busy_cores: float | None = Field(
        description="how many cores' worth of time was used, mean of the last half minute"
    )
    memory_available_bytes: float | None
    memory_total_bytes: float | None
    conditions: list[str] | None = Field(
        description="what the firmware says of power and heat now, such as `under_voltage`"
    )
    conditions_since_boot: list[str] | None
    boot_time_seconds: float | None = Field(description="since the epoch")
    answers_ping: bool | None
    pinged_at: float | None = Field(description="when it was last pinged, since the epoch")

    @classmethod
    def of(cls, rasp: RaspState) -> Self:
        """Return what the API says of a rasp."""
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
            answers_ping=rasp.answers_ping,
            pinged_at=rasp.pinged_at,
        )


def _sorted_or_none(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


class StackResponse(ApiModel):
    """A stack, where it stands (`x`, `y`: column and row from the top left) and its rasps."""

    number: int
    pin: int = Field(description="the BCM number of its relay's pin")
    x: int
    y: int
    power: PowerState = Field(description="as it was commanded")
    observed: PowerState = Field(description="as its rasps show it: `on` if any of them answers")
    power_mismatch: str = Field(description="where the two do not go together; empty if they do")
    reserved_by: str = Field(
        description="the order or install that has it just now; empty if none has"
    )
    rasps: list[RaspResponse]

    @classmethod
    def of(cls, stack: StackState) -> Self:
        """Return what the API says of a stack."""
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
    """The rasp with the highest temperature."""

    model_config = example_config(id=10, name="03-2", temperature_celsius=48.3)

    id: int
    name: str
    temperature_celsius: float


class IssueResponse(ApiModel):
    """Rasps that somebody should look at, for one reason."""

    model_config = example_config(
        wrong="down", why="neither it nor its exporter answers", rasps=["03-2", "07-1"]
    )

    kind: RaspStatus | TemperatureLevel | StackIssue = Field(
        description="`power` (their stack's is not as it was commanded), `down`, `unknown` or `hot`"
    )
    reason: str
    rasps: list[str] = Field(description="their names")


class RackResponse(ApiModel):
    """The rack as a whole."""

    name: str
    stacks: int
    rasps: int
    states: dict[RaspStatus, int] = Field(description="how many rasps are in each state")
    hottest: HottestResponse | None
    issues: list[IssueResponse] = Field(description="what somebody should look at, the worst first")
    error: str = Field(description="why states are unknown; empty where all is well")
    exporter_port: int = Field(description="where the exporters of its rasps listen")

    @classmethod
    def of(cls, state: RackState) -> Self:
        """Return what the API says of a rack."""
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
                IssueResponse(kind=wrong, reason=why, rasps=[rasp.slot.name for rasp in rasps])
                for (wrong, why), rasps in state.issues.items()
            ],
            error=state.error,
            exporter_port=state.rack.network.exporter_port,
        )


class InterfaceResponse(ApiModel):
    """A network interface of the master."""

    name: str
    mac: str | None
    ip: IPv4Address


class ServiceResponse(ApiModel):
    """A service on the master; `reason` says why it is not up."""

    name: str
    url: str = Field(description="where it is reached, or the unit that it runs as")
    state: RaspStatus
    version: str | None
    reason: str


class MasterResponse(ApiModel):
    """The master. What nobody could read is null."""

    host_name: str
    version: str = Field(description="PiRack's own")
    boot_time_seconds: float = Field(description="since the epoch")
    cores: int
    cpu_used_ratio: float = Field(description="of all cores, since it was read last")
    load1: float = Field(description="runnable tasks, mean of the last minute")
    memory_available_bytes: int
    memory_total_bytes: int
    disk_available_bytes: int = Field(description="of the file system that holds pirack.db")
    disk_size_bytes: int
    temperature_celsius: float | None
    conditions: list[str] | None = Field(
        description="what the firmware says of power and heat now, such as `under_voltage`"
    )
    conditions_since_boot: list[str] | None
    is_time_synchronized: bool | None
    persists_outputs: bool | None = Field(
        description="whether the kernel keeps driving the pins of a program that has ended"
    )
    interfaces: list[InterfaceResponse]
    services: list[ServiceResponse]


class AuditEventResponse(ApiModel):
    """An event of the audit."""

    id: int
    time: float
    actor: str = Field(description="a user, `token:NAME`, `console:NAME` or `anonymous`")
    client_address: str = Field(description="the address that it came from")
    action: str
    targets: str
    result: str = Field(description="`ok`, `failed`, `unknown` or `refused`")
    detail: str

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        """Return what the API says of an event."""
        event = record.event
        return cls(
            id=record.id,
            time=record.time,
            actor=event.actor,
            client_address=event.client_address,
            action=event.action,
            targets=event.targets,
            result=event.result,
            detail=event.detail,
        )


class DocumentResponse(RootModel[dict[str, JsonValue]]):
    """An OpenAPI document."""
