"""Reserved stacks for the runs of one command."""

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from cli.api_client import ApiClient, ControllerError
from cli.reservation_models import ApiReservation

_LEASE_SECONDS = 60
_RENEWAL_SECONDS = 10.0
_POLL_SECONDS = 1.0
_QUEUED, _ACTIVE = "queued", "active"


class ReservedStacks:
    """Stacks that are reserved until the end of the `with` block.

    Args:
        client: Client of the API.
        selection: What to reserve, such as `3 stacks`.
        own: Reservation that the user made before, which is used as it is, or None.
        on_wait: Receives the reservation while it is in the queue.
        is_stop_wanted: Returns whether the user wants to stop.
        clock: Returns monotonic seconds.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self,
        client: ApiClient,
        selection: str,
        own: ApiReservation | None,
        *,
        on_wait: Callable[[ApiReservation], None],
        is_stop_wanted: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._selection = selection
        self._own = own
        self._on_wait = on_wait
        self._is_stop_wanted = is_stop_wanted
        self._clock = clock
        self._sleep = sleep
        self._made: ApiReservation | None = None
        self._ends_at = 0.0
        self._next_renewal = 0.0

    @property
    def id(self) -> int | None:
        """The reservation of the stacks, or None before the first `require`."""
        reservation = self._own or self._made
        return None if reservation is None else reservation.id

    def require(self, seconds: float) -> int:
        """Reserve the stacks for at least these seconds from now. Return the reservation's id.

        If others wait for the stacks, hand them back and wait in the queue again.

        Raises:
            CommandError: If the selection is invalid.
            ControllerError: If the reservation is refused, or the controller is unavailable.
            KeyboardInterrupt: If the user wants to stop in the meantime.
        """
        if self._own is not None:
            return self._own.id
        missing = self._clock() + seconds - self._ends_at
        if self._made is not None and missing > 0 and not self._extend(self._made, missing):
            self._hand_back()
        if self._made is None:
            self._made = self._reserve(seconds)
        return self._made.id

    def renew(self) -> None:
        """Renew the lease if it is due, and extend the reservation if it would end soon.

        The run reports a reservation that was lost.
        """
        if self._made is not None and self._clock() >= self._next_renewal:
            self._next_renewal = self._clock() + _RENEWAL_SECONDS
            with suppress(ControllerError):
                self._renew(self._made)
            if self._ends_at - self._clock() < _LEASE_SECONDS:  # for example, during a long check
                self._extend(self._made, _LEASE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(ControllerError):  # otherwise the reservation ends with its lease
            self._hand_back()

    def _reserve(self, seconds: float) -> ApiReservation:
        self._made = self._client.post(
            "reservations",
            ApiReservation,
            selection=self._selection,
            seconds=round(seconds),
            lease_seconds=_LEASE_SECONDS,
        ).data
        last_response = self._clock()
        while self._made.state == _QUEUED:
            if self._is_stop_wanted():
                raise KeyboardInterrupt
            self._on_wait(self._made)
            self._sleep(_POLL_SECONDS)
            try:
                self._made = self._renew(self._made)
                last_response = self._clock()
            except ControllerError:  # it may restart, and keeps the queue
                if self._clock() - last_response > _LEASE_SECONDS:
                    raise
        if self._made.state != _ACTIVE:
            raise ControllerError(
                f"reservation {self._made.id} has ended, {self._made.end_reason}: try again"
            )
        self._note_end(self._made)
        return self._made

    def _renew(self, reservation: ApiReservation) -> ApiReservation:
        path = f"reservations/{reservation.id}/renew"
        return self._client.post_promptly(path, ApiReservation).data

    def _extend(self, reservation: ApiReservation, seconds: float) -> bool:
        path = f"reservations/{reservation.id}/extend"
        try:
            extended = self._client.post(path, ApiReservation, seconds=round(seconds)).data
        except ControllerError:
            return False
        self._note_end(extended)
        return True

    def _note_end(self, reservation: ApiReservation) -> None:
        self._ends_at = self._clock() + (reservation.seconds_left or 0.0)

    def _hand_back(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            self._client.delete(f"reservations/{made.id}", ApiReservation)
