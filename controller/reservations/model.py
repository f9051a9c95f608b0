"""Reservations of stacks."""

from dataclasses import dataclass
from enum import StrEnum

from controller.auth.tokens import user_of_actor


class ReservationState(StrEnum):
    """State of a reservation."""

    QUEUED = "queued"
    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Stacks that belong to an owner for a time, or wait in the queue.

    Times are seconds since the epoch, except `deadline`.

    Attributes:
        id: Number, from 1, in order of the queue.
        owner: User, or token of the console.
        selection: What was requested, such as `3 stacks`.
        seconds: Granted duration.
        lease_seconds: The reservation ends if it is not renewed for these seconds, or None.
        state: Current state.
        stacks: Numbers of the stacks, empty while it is queued.
        queued_at: Time of the request.
        started_at: Time from which the stacks belong to the owner, or None.
        ends_at: Time at which the reservation ends, or None while it is queued. After the end, the
            time of the end.
        end_reason: Why it has ended, otherwise empty.
        deadline: Seconds since the boot of the master at which it ends, or None.
        boot_id: Id of the boot to which `deadline` belongs.
    """

    id: int
    owner: str
    selection: str
    seconds: float
    lease_seconds: float | None
    state: ReservationState
    stacks: tuple[int, ...]
    queued_at: float
    started_at: float | None = None
    ends_at: float | None = None
    end_reason: str = ""
    deadline: float | None = None
    boot_id: str = ""

    @property
    def title(self) -> str:
        """The number, for example `reservation 7`."""
        return f"reservation {self.id}"

    def belongs_to(self, actor: str) -> bool:
        """Return whether an actor is the owner, or has a token of the owner."""
        return self.owner == user_of_actor(actor)


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Place of a reservation in the queue.

    Attributes:
        position: Place from 1.
        wait_seconds: Estimate of the wait, or None if it cannot be estimated.
        stacks: Numbers of the stacks that it gets according to the estimate.
    """

    position: int
    wait_seconds: float | None
    stacks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of the reservations of each member of a group.

    Attributes:
        name: Name of the group.
        members: Names of users and tokens. `*` stands for any characters.
        stacks: Stacks that a member can reserve at the same time, including queued reservations.
        seconds: Duration of a reservation, including extensions.
    """

    name: str
    members: tuple[str, ...]
    stacks: int
    seconds: float
