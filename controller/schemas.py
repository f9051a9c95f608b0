"""What the API says and takes, as models: the field's names and units are the contract."""

from ipaddress import IPv4Address
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from controller.state import Power, RackState, RaspState, StackState, State, Warmth


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(_Model):
    """The fields of an endpoint that takes none."""


class RaspsQuery(_Model):
    """The filters of `GET rasps`; all that are given must hold."""

    stack: int | None = Field(default=None, ge=1, description="a stack's number")
    state: State | None = None
    q: str | None = Field(
        default=None, max_length=100, description="an id, or a part of a name, host name, MAC or IP"
    )


class RaspAnswer(_Model):
    """A rasp. What nobody has read, or found, is null."""

    id: int
    name: str
    host_name: str
    stack: int
    slot: int
    mac: str | None
    ip: IPv4Address | None
    state: State
    why: str = Field(description="why it is not up; empty where it is")
    warmth: Warmth | None
    temperature_celsius: float | None
    load1: float | None = Field(description="runnable tasks, mean of the last minute")
    boot_time_seconds: float | None = Field(description="since the epoch")
    answers_ping: bool | None

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
            why=rasp.why,
            warmth=rasp.warmth,
            temperature_celsius=rasp.temperature_celsius,
            load1=rasp.load1,
            boot_time_seconds=rasp.boot_time_seconds,
            answers_ping=rasp.answers_ping,
        )


class StackAnswer(_Model):
    """A stack, where it stands (`x`, `y`: column and row from the top left) and its rasps."""

    number: int
    pin: int = Field(description="the BCM number of its relay's pin")
    x: int
    y: int
    power: Power
    rasps: list[RaspAnswer]

    @classmethod
    def of(cls, stack: StackState) -> Self:
        """Return what the API says of a stack."""
        return cls(
            number=stack.stack.number,
            pin=stack.stack.pin,
            x=stack.stack.x,
            y=stack.stack.y,
            power=stack.power,
            rasps=[RaspAnswer.of(rasp) for rasp in stack.rasps],
        )


class HottestAnswer(_Model):
    """The rasp with the highest temperature."""

    id: int
    name: str
    temperature_celsius: float


class RackAnswer(_Model):
    """The rack as a whole."""

    name: str
    stacks: int
    rasps: int
    states: dict[State, int] = Field(description="how many rasps are in each state")
    hottest: HottestAnswer | None
    trouble: str = Field(description="why states are unknown; empty where all is well")

    @classmethod
    def of(cls, state: RackState) -> Self:
        """Return what the API says of a rack."""
        hottest = state.hottest
        return cls(
            name=state.rack.name,
            stacks=len(state.stacks),
            rasps=len(state.rasps),
            states=dict(state.counts),
            hottest=HottestAnswer(
                id=hottest.slot.id,
                name=hottest.slot.name,
                temperature_celsius=hottest.temperature_celsius,
            )
            if hottest and hottest.temperature_celsius is not None
            else None,
            trouble=state.trouble,
        )


class InterfaceAnswer(_Model):
    """A network interface of the master."""

    name: str
    mac: str | None
    ip: IPv4Address


class ServiceAnswer(_Model):
    """A service on the master; `why` says why it is not up."""

    name: str
    url: str
    state: State
    version: str | None
    why: str


class MasterAnswer(_Model):
    """The master. What nobody could read is null."""

    host_name: str
    version: str = Field(description="PiRack's own")
    boot_time_seconds: float = Field(description="since the epoch")
    load1: float = Field(description="runnable tasks, mean of the last minute")
    memory_available_bytes: int
    memory_total_bytes: int
    disk_available_bytes: int = Field(description="of the file system that holds pirack.db")
    disk_size_bytes: int
    temperature_celsius: float | None
    interfaces: list[InterfaceAnswer]
    services: list[ServiceAnswer]
