"""Responses of the API about reservations and quotas."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ApiReservation:
    """Stacks that are reserved for an owner, or wait in the queue."""

    id: int
    owner: str
    is_mine: bool
    selection: str
    state: str
    stacks: list[int]
    position: int | None
    wait_seconds: float | None
    lease_seconds: float | None
    seconds_left: float | None
    end_reason: str


@dataclass(frozen=True)
class ApiQuota:
    """Limits of the reservations of each member of a group."""

    name: str
    members: list[str]
    stacks: int
    seconds: float
