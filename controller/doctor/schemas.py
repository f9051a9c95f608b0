"""API models of the doctor."""

from typing import Self

from pydantic import Field

from controller.doctor.examination import DoctorReport
from controller.doctor.finding import FindingSeverity
from controller.web.models import ApiModel, example_config


class FindingResponse(ApiModel):
    """Problem that a check found."""

    model_config = example_config(
        check="clock",
        severity="warning",
        problem="the clock of the master is not synchronized",
        reason="times in the audit log, of orders and of alerts are wrong",
        fix="`sudo timedatectl set-ntp true`",
    )

    check: str = Field(description="name of the check")
    severity: FindingSeverity = Field(
        description="`error` (a function does not work), `warning` (it may fail later) or"
        " `not_checked` (the check could not be made)"
    )
    problem: str
    reason: str = Field(description="why the problem matters")
    fix: str = Field(description="what to do, with the exact commands between backquotes")


class DoctorResponse(ApiModel):
    """Result of the checks of the master."""

    examined_at: float = Field(description="time of the checks")
    checks: list[str] = Field(description="names of all checks")
    findings: list[FindingResponse] = Field(description="findings, most severe first")

    @classmethod
    def of(cls, report: DoctorReport) -> Self:
        """Return the model of a report."""
        return cls.model_validate(report, from_attributes=True)
