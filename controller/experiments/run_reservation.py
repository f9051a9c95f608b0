"""The reservation of a run: one of the user, or one of its own for its longest duration."""

from collections.abc import Callable, Sequence

from controller.errors import RunConflictError
from controller.reservations.model import Reservation, ReservationState
from controller.reservations.service import ReservationService
from rack.errors import PiRackError

LEASE_SECONDS = 30.0
"""Seconds after which the own reservation of a run ends if the controller was killed."""

_RENEW_INTERVAL = 5.0


def find_reservation(reservations: ReservationService, number: int, owner: str) -> Reservation:
    """Return an active reservation of an owner.

    Raises:
        UnknownReservationError: If it does not exist.
        RunConflictError: If it is not active, or belongs to another owner.
    """
    reservation = reservations.get(number)
    if not reservation.belongs_to(owner):
        raise RunConflictError(
            f"{reservation.title} belongs to {reservation.owner}: use one of your own"
        )
    if reservations.active(number) is None:
        raise RunConflictError(f"{reservation.title} is {reservation.state}: reserve stacks first")
    return reservation


class RunReservation:
    """The reservation of a run.

    Args:
        reservations: Service of reservations.
        reservation: The reservation.
        is_own: Whether the run made it, renews it and hands it back.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        reservations: ReservationService,
        reservation: Reservation,
        *,
        is_own: bool,
        clock: Callable[[], float],
    ) -> None:
        self._reservations = reservations
        self._id = reservation.id
        self._owner = reservation.owner
        self._is_own = is_own
        self._clock = clock
        self._renew_at = clock() + _RENEW_INTERVAL

    @classmethod
    def make(
        cls,
        reservations: ReservationService,
        owner: str,
        stacks: Sequence[int],
        seconds: float,
        clock: Callable[[], float],
    ) -> "RunReservation":
        """Reserve stacks for a run, or queue for them. Raise the errors of `reserve`."""
        selection = f"stacks {' '.join(map(str, stacks))}"
        reservation = reservations.reserve(owner, selection, seconds, lease_seconds=LEASE_SECONDS)
        return cls(reservations, reservation, is_own=True, clock=clock)

    @property
    def id(self) -> int:
        """Number of the reservation."""
        return self._id

    @property
    def is_active(self) -> bool:
        """Whether the stacks belong to the owner of the run now."""
        return self._reservations.active(self._id) is not None

    def renew(self) -> None:
        """Renew an own reservation, if this is due. Raise `PiRackError` if it has ended."""
        if self._is_own and self._clock() >= self._renew_at:
            self._renew_at = self._clock() + _RENEW_INTERVAL
            self._reservations.renew(self._id, self._owner)

    def problem(self) -> str:
        """Renew the reservation. Return why the run may not use its stacks, or empty."""
        try:
            self.renew()
            reservation = self._reservations.get(self._id)
        except PiRackError as error:
            return str(error)
        if reservation.state is ReservationState.ENDED:
            return f"{reservation.title} has ended: {reservation.end_reason}"
        if reservation.owner != self._owner:
            return f"{reservation.title} was taken over by {reservation.owner}"
        return ""

    def release(self) -> None:
        """Hand back an own reservation. Raise `PiRackError` if it has already ended."""
        if self._is_own:
            self._reservations.hand_back(self._id, self._owner)
