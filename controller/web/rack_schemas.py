"""API models of the rack as a whole and of its master."""

from ipaddress import IPv4Address, IPv4Network
from typing import Literal, Self

from pydantic import Field

from controller.master.info import MasterState
from controller.state.alert import Severity
from controller.state.issues import AlertList, Issue
from controller.state.model import RackState, RaspOperation, RaspStatus
from controller.web.models import ApiModel, example_config


class HottestResponse(ApiModel):
    """Rasp with the highest temperature."""

    model_config = example_config(id=10, name="03-2", temperature_celsius=48.3)

    id: int
    name: str
    temperature_celsius: float


class ExplainedAlertResponse(ApiModel):
    """An alert that an issue explains."""

    fingerprint: str = Field(description="identifier in `GET /alerts`")
    name: str
    summary: str
    started_at: float = Field(description="since the epoch")


class IssueOrderResponse(ApiModel):
    """An order that may resolve an issue, for `POST /SCOPE/execute`."""

    action: str
    scope: Literal["stacks", "rasps"]
    id: int = Field(description="number of the stack or id of the rasp")


class IssueResponse(ApiModel):
    """An alert that operators should handle, and the alerts that it explains."""

    model_config = example_config(
        kind="PiRackStackDown",
        severity="critical",
        started_at=1767225600.0,
        reason="Stack 03 is down",
        description="None of the 4 rasps of stack 03 of rack pirack responds, although the stack"
        " was not switched off.",
        runbook_url="http://127.0.0.1:8080/runbooks/PiRackStackDown",
        rasps=["03-1", "03-2", "03-3", "03-4"],
        order={"action": "power_cycle", "scope": "stacks", "id": 3},
        explains=[
            {
                "fingerprint": "c0ffee5ee5ee5ee5",
                "name": "PiRackRaspDown",
                "summary": "03-2 is down",
                "started_at": 1767225660.0,
            }
        ],
        fingerprint="5ee5ee5ee5c0ffee",
    )

    kind: str = Field(description="name of the alert, such as `PiRackRaspDown`")
    severity: Severity
    started_at: float = Field(description="since the epoch")
    reason: str = Field(description="summary of the alert")
    description: str
    runbook_url: str = Field(description="URL of the runbook; empty without a runbook")
    rasps: list[str] = Field(description="names of the affected rasps")
    order: IssueOrderResponse | None = Field(description="order that may resolve the issue")
    explains: list[ExplainedAlertResponse]
    fingerprint: str = Field(description="identifier in `GET /alerts`")

    @classmethod
    def of(cls, issue: Issue) -> Self:
        """Return the model of an issue."""
        cause, order = issue.cause, issue.order
        return cls(
            kind=cause.name,
            severity=cause.severity,
            started_at=cause.started_at,
            reason=cause.summary,
            description=cause.description,
            runbook_url=cause.annotations.get("runbook_url", ""),
            rasps=list(issue.rasps),
            order=IssueOrderResponse(
                action=order.action,
                scope="stacks" if order.kind == "stack" else "rasps",
                id=order.id,
            )
            if order
            else None,
            explains=[
                ExplainedAlertResponse(
                    fingerprint=alert.fingerprint,
                    name=alert.name,
                    summary=alert.summary,
                    started_at=alert.started_at,
                )
                for alert in issue.explains
            ],
            fingerprint=cause.fingerprint,
        )


class PowerWarningResponse(ApiModel):
    """Rasps whose power differs from the command, or is unknown, for the same reason."""

    model_config = example_config(
        reason="unknown: poe (snmp 10.23.0.2): no reply within 5 s", rasps=["03-2", "07-1"]
    )

    reason: str
    rasps: list[str] = Field(description="names of the rasps")


class RackResponse(ApiModel):
    """The rack as a whole."""

    name: str
    stacks: int
    rasps: int
    states: dict[RaspStatus, int] = Field(
        description="number of rasps in each state, without those in `operations`"
    )
    operations: dict[RaspOperation, int] = Field(
        description="number of rasps that are not up because of an order or install, by operation"
    )
    hottest: HottestResponse | None
    issues: list[IssueResponse] = Field(
        description="alerts that no other alert explains, most severe first"
    )
    issues_error: str = Field(
        description="reason why the issues may be outdated or incomplete; otherwise empty"
    )
    power_warnings: list[PowerWarningResponse] = Field(
        description="power that differs from the command, or is unknown because an outlet cannot"
        " be read"
    )
    error: str = Field(description="reason why all states are unknown; otherwise empty")
    network: IPv4Network = Field(description="network of the rasps")
    exporter_port: int = Field(description="port of the exporters")

    @classmethod
    def of(cls, state: RackState, alert_list: AlertList) -> Self:
        """Return the model of a rack."""
        hottest = state.hottest
        return cls(
            name=state.rack.name,
            stacks=len(state.stacks),
            rasps=len(state.rasps),
            states=dict(state.counts),
            operations=dict(state.operations),
            hottest=HottestResponse(
                id=hottest.slot.id,
                name=hottest.slot.name,
                temperature_celsius=hottest.temperature_celsius,
            )
            if hottest and hottest.temperature_celsius is not None
            else None,
            issues=[IssueResponse.of(issue) for issue in alert_list.issues],
            issues_error=alert_list.error,
            power_warnings=[
                PowerWarningResponse(reason=reason, rasps=[rasp.slot.name for rasp in rasps])
                for reason, rasps in state.power_warnings.items()
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
