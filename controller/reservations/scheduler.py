"""Start and end reservations that are due."""

import logging
import threading
from collections.abc import Callable, Collection

from controller.audit import Audit, AuditEvent
from controller.claims import StackClaims
from controller.reservations import lifecycle
from controller.reservations.model import Reservation, ReservationState
from controller.reservations.open_reservations import OpenReservations
from rack.clock import Moment
from rack.errors import DatabaseError, PiRackError
from rack.names import stack_name

_END_SECONDS = 60.0  # for the listeners, of which each has bounds of its own

_log = logging.getLogger(__name__)

OnEnd = Callable[[Reservation], bool]


class ReservationScheduler:
    """Starts and ends reservations. Thread-safe.

    Args:
        reservations: The reservations.
        claims: Claims of stacks by orders and installs.
        audit: Audit log.
        power_on: Switches those of the given stacks on that are off.
        boot_id: Id of this boot of the master.
        now: Returns the time on both clocks of the master.
    """

    def __init__(
        self,
        reservations: OpenReservations,
        claims: StackClaims,
        audit: Audit,
        power_on: Callable[[Collection[int]], None],
        boot_id: str,
        now: Callable[[], Moment],
    ) -> None:
        self._reservations = reservations
        self._claims = claims
        self._audit = audit
        self._power_on = power_on
        self._boot_id = boot_id
        self._now = now
        self._listeners: list[OnEnd] = []
        self._tick_lock = threading.Lock()
        self._endings: dict[int, tuple[str, float]] = {}  # reason, and when it was noticed
        self._closing: set[int] = set()

    def on_end(self, listener: OnEnd) -> None:
        """Call a function at the end of each reservation. See `ReservationService.on_end`."""
        self._listeners.append(listener)

    def is_ending(self, number: int) -> bool:
        """Return whether an active reservation is about to end."""
        return number in self._endings

    def is_closing(self, number: int) -> bool:
        """Return whether the owner of a reservation can start nothing more."""
        return number in self._closing

    def tick(self) -> None:
        """End and start reservations that are due. See `ReservationService.tick`."""
        with self._tick_lock:
            with self._reservations.lock:
                self._follow_clock()
                self._notice_ends()
                endings = [each for each in self._reservations.all() if each.id in self._endings]
            for reservation in endings:
                self._complete_end(reservation)
            with self._reservations.lock:
                self._start_next()

    def end(self, reservation: Reservation, reason: str) -> None:
        """End a queued reservation now, or let `tick` end an active one. Hold the lock."""
        if reservation.state is ReservationState.QUEUED:
            self._close(reservation, reason)
        else:
            self._endings.setdefault(reservation.id, (reason, self._now().monotonic))

    def record(self, actor: str, action: str, reservation: Reservation, detail: str) -> None:
        """Record in the audit what was done to a reservation."""
        targets = " ".join(map(stack_name, reservation.stacks)) or reservation.selection
        try:
            self._audit.record(
                AuditEvent(actor, "", action, targets, "ok", f"{reservation.title}, {detail}")
            )
        except DatabaseError as error:
            _log.error("the audit log cannot be written: %s", error)

    def _follow_clock(self) -> None:
        """Correct the times of day of the ends after the clock was set, also for a reboot."""
        now = self._now()
        moved = [
            corrected
            for each in self._reservations.active()
            if (corrected := lifecycle.clock_corrected(each, now))
        ]
        if moved:
            self._reservations.save(moved)

    def _notice_ends(self) -> None:
        now = self._now()
        for reservation in self._reservations.all():
            lease_end = self._reservations.lease_end(reservation.id)
            if reason := lifecycle.due_reason(reservation, lease_end, now):
                self.end(reservation, reason)

    def _complete_end(self, reservation: Reservation) -> None:
        """Let the listeners finish, return the power, and close a reservation."""
        reason, since = self._endings[reservation.id]
        finished = [listener(reservation) for listener in self._listeners]
        if not all(finished) and self._now().monotonic - since < _END_SECONDS:
            return
        self._closing.add(reservation.id)
        if set(reservation.stacks) & self._claims.holders().keys():
            return  # an order of the owner still runs, and may switch the power
        try:
            self._power_on(reservation.stacks)
        except PiRackError as error:
            if self._now().monotonic - since < _END_SECONDS:
                return  # the next call tries again
            _log.error("the power of the stacks of %s cannot return: %s", reservation.title, error)
        with self._reservations.lock:
            self._close(self._reservations.current(reservation), reason)
            del self._endings[reservation.id]
            self._closing.discard(reservation.id)

    def _close(self, reservation: Reservation, reason: str) -> None:
        ended = lifecycle.ended(reservation, reason, self._now())
        self._reservations.close(ended)
        self.record(reservation.owner, "reservation ended", ended, reason)

    def _start_next(self) -> None:
        starts = self._reservations.startable(self._claims.holders().keys())
        if not starts:
            return
        now = self._now()
        started = [
            lifecycle.started(reservation, starts[reservation.id], now, self._boot_id)
            for reservation in self._reservations.queued()
            if reservation.id in starts
        ]
        self._reservations.save(started)
        for reservation in started:
            self.record(reservation.owner, "reserve", reservation, f"{reservation.seconds:g} s")
