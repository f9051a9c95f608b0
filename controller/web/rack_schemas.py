"""API models of the rack as a whole and of its master."""

from ipaddress import IPv4Address, IPv4Network
from typing import Self

from pydantic import Field

from controller.master.info import MasterState
from controller.state.model import RackState, RaspStatus, StackIssue, TemperatureLevel
from controller.web.models import ApiModel, example_config


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
        description="`power` (differs from the command, or is unknown because an outlet cannot"
        " be read), `down`, `unknown` or `hot`"
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
