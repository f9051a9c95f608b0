"""API models of reservations and quotas."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field

from controller.reservations.model import QueuePlace, Quota, Reservation, ReservationState
from controller.web.models import JSON_NUMBER, ApiModel, example_config
from rack.selection import SYNTAX

_MAX_SECONDS = 7 * 24 * 3600.0
_MAX_MEMBERS = 500

_Seconds = Annotated[float, Field(gt=0, le=_MAX_SECONDS), JSON_NUMBER]
_LeaseSeconds = Annotated[float, Field(ge=5, le=_MAX_SECONDS), JSON_NUMBER]
_StackCount = Annotated[int, Field(ge=0, le=10_000), JSON_NUMBER]


class ReserveBody(ApiModel):
    """A request to reserve stacks."""

    model_config = example_config(selection="3 stacks", seconds=1200)

    selection: str = Field(min_length=1, max_length=200, description=f"What to reserve: {SYNTAX}.")
    seconds: _Seconds = Field(description="Duration from the start of the reservation.")
    lease_seconds: _LeaseSeconds | None = Field(
        default=None, description="The reservation ends if it is not renewed for these seconds."
    )


class ExtendBody(ApiModel):
    """A request to extend a reservation."""

    model_config = example_config(seconds=600)

    seconds: _Seconds = Field(description="Additional time.")


class ReservationResponse(ApiModel):
    """A reservation."""

    model_config = example_config(
        id=7,
        owner="anna",
        is_mine=True,
        selection="3 stacks",
        state="active",
        stacks=[1, 2, 3],
        seconds=1200,
        lease_seconds=None,
        queued_at=1_700_000_000,
        started_at=1_700_000_000,
        ends_at=1_700_001_200,
        end_reason="",
        seconds_left=1180.5,
        position=None,
        wait_seconds=None,
    )

    id: int = Field(description="Number of the reservation.")
    owner: str = Field(description="User or token to whom the stacks belong.")
    is_mine: bool = Field(description="Whether the owner sent this request.")
    selection: str = Field(description="What was requested.")
    state: ReservationState = Field(description="State of the reservation.")
    stacks: list[int] = Field(description="Numbers of the stacks, empty while it is queued.")
    seconds: float = Field(description="Granted duration.")
    lease_seconds: float | None = Field(
        description="The reservation ends if it is not renewed for these seconds."
    )
    queued_at: float = Field(description="Time of the request, in seconds since the epoch.")
    started_at: float | None = Field(description="Time of its start, null while it is queued.")
    ends_at: float | None = Field(description="Time of its end, null while it is queued.")
    end_reason: str = Field(description="Why it has ended, otherwise empty.")
    seconds_left: float | None = Field(description="Remaining time, null unless it is active.")
    position: int | None = Field(description="Place in the queue, null unless it is queued.")
    wait_seconds: float | None = Field(
        description="Estimate of the wait, null if it is unknown or the reservation is not queued."
    )

    @classmethod
    def of(
        cls,
        reservation: Reservation,
        actor: str,
        seconds_left: float | None,
        place: QueuePlace | None,
    ) -> Self:
        """Return the model of a reservation for an actor."""
        return cls(
            id=reservation.id,
            owner=reservation.owner,
            is_mine=reservation.belongs_to(actor),
            selection=reservation.selection,
            state=reservation.state,
            stacks=list(reservation.stacks),
            seconds=reservation.seconds,
            lease_seconds=reservation.lease_seconds,
            queued_at=reservation.queued_at,
            started_at=reservation.started_at,
            ends_at=reservation.ends_at,
            end_reason=reservation.end_reason,
            seconds_left=seconds_left,
            position=place and place.position,
            wait_seconds=place and place.wait_seconds,
        )


class QuotaBody(ApiModel):
    """Limits for each member of a group."""

    model_config = example_config(members=["*"], stacks=3, seconds=1200)

    members: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default=["*"],
        min_length=1,
        max_length=_MAX_MEMBERS,
        description="Names of users and tokens. `*` stands for any characters. Admins are exempt.",
    )
    stacks: _StackCount = Field(description="Stacks that a member has at the same time.")
    seconds: _Seconds = Field(description="Duration of a reservation, including extensions.")


class QuotaResponse(QuotaBody):
    """A quota."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "class", "members": ["*"], "stacks": 3, "seconds": 1200}]
        }
    )

    name: str = Field(description="Name of the group.")

    @classmethod
    def of(cls, quota: Quota) -> Self:
        """Return the model of a quota."""
        return cls(
            name=quota.name,
            members=list(quota.members),
            stacks=quota.stacks,
            seconds=quota.seconds,
        )
