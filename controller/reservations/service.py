"""Reservations: who has which stacks until when, and who waits for stacks."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from controller.audit import Audit, AuditEvent
from controller.claims import StackClaims
from controller.errors import ReservationRefusedError, StackReservedError
from controller.orders.model import POWER_RETURN
from controller.periodic import PeriodicThread
from controller.reservations import queue
from controller.reservations.model import (
    QueuePlace,
    Reservation,
    ReservationState,
)
from controller.reservations.quotas import require_quota
from controller.reservations.store import QuotaStore, ReservationStore
from rack.errors import DatabaseError, PiRackError
from rack.layout import Rack
from rack.names import stack_name
from rack.power_edges import Moment

MAX_QUEUED = 200
"""Maximum number of reservations that have not ended."""

_END_SECONDS = 60.0  # for the listeners, of which each has bounds of its own
_MAX_CLOCK_ERROR = 2.0  # a larger difference of both clocks means that the clock was set
_TICK_INTERVAL = 0.5
_TIME_IS_OVER = "its time is over"
_HANDED_BACK = "handed back"

_log = logging.getLogger(__name__)

OnEnd = Callable[[Reservation], bool]


class ReservationService:
    """Reservations of a rack. Thread-safe. `tick` starts and ends them.

    Reservations of an earlier controller continue. A lease starts again.

    Args:
        rack: Layout of the rack.
        store: Storage of reservations.
        quotas: Storage of quotas.
        claims: Claims of stacks by orders and installs.
        audit: Audit log.
        power_on: Switches those of the given stacks on that are off.
        boot_id: Id of this boot of the master.
        now: Returns the time on both clocks of the master.

    Raises:
        DatabaseError: If pirack.db cannot be used.
    """

    def __init__(
        self,
        rack: Rack,
        store: ReservationStore,
        quotas: QuotaStore,
        claims: StackClaims,
        audit: Audit,
        power_on: Callable[[Collection[int]], None],
        boot_id: str,
        now: Callable[[], Moment],
    ) -> None:
        self.rack = rack
        self.quotas = quotas
        self._store = store
        self._claims = claims
        self._audit = audit
        self._power_on = power_on
        self._boot_id = boot_id
        self._now = now
        self._listeners: list[OnEnd] = []
        self._lock = threading.RLock()
        self._tick_lock = threading.Lock()
        boot_now = self._boot_clock()
        self._open = {each.id: self._resume(each) for each in store.list_open()}
        self._lease_ends = {
            number: boot_now + each.lease_seconds
            for number, each in self._open.items()
            if each.lease_seconds is not None
        }
        self._endings: dict[int, tuple[str, float]] = {}  # reason, and when it was noticed
        self._closing: set[int] = set()  # the owner can start nothing more

    def _clock(self) -> float:
        return self._now().time

    def _boot_clock(self) -> float:
        return self._now().monotonic

    def on_end(self, listener: OnEnd) -> None:
        """Call a function at the end of each reservation, until it returns True.

        Until then, the owner keeps the stacks, at most for a minute.
        """
        self._listeners.append(listener)

    def reserve(
        self,
        owner: str,
        selection: str,
        seconds: float,
        *,
        lease_seconds: float | None = None,
        has_quota: bool = True,
    ) -> Reservation:
        """Reserve stacks, or queue for them.

        Args:
            owner: User or token.
            selection: What to reserve, see `rack.selection`.
            seconds: Duration from the start of the reservation.
            lease_seconds: End it if it is not renewed for these seconds, or None.
            has_quota: Whether the quotas apply.

        Raises:
            SelectionError: If the selection is malformed, or larger than the rack.
            ReservationRefusedError: If a quota does not allow it, or too many are queued.
            DatabaseError: If pirack.db cannot be used.
        """
        stacks = queue.required_stacks(selection, self.rack)
        with self._lock:
            if len(self._open) >= MAX_QUEUED:
                raise ReservationRefusedError("too many reservations are queued: try again later")
            if has_quota:
                require_quota(
                    self.quotas.list_all(),
                    owner,
                    stacks=len(stacks),
                    held_stacks=self._held_stacks(owner),
                    seconds=seconds,
                )
            reservation = self._store.add(
                Reservation(
                    id=0,
                    owner=owner,
                    selection=selection,
                    seconds=seconds,
                    lease_seconds=lease_seconds,
                    state=ReservationState.QUEUED,
                    stacks=(),
                    queued_at=self._clock(),
                )
            )
            self._open[reservation.id] = reservation
            self._renew_lease(reservation)
        self.tick()
        return self.get(reservation.id)

    def extend(
        self, number: int, seconds: float, actor: str, *, has_quota: bool = True
    ) -> Reservation:
        """Extend an active reservation.

        Raises:
            UnknownReservationError: If it does not exist.
            ReservationRefusedError: If it is not active or not the actor's, others wait for its
                stacks, or a quota does not allow it.
            DatabaseError: If pirack.db cannot be used.
        """
        with self._lock:
            reservation = self._require_active(self._require_own(number, actor))
            if waiting := self._first_waiting(reservation):
                raise ReservationRefusedError(
                    f"{waiting.owner} waits for these stacks ({waiting.title}):"
                    " hand them back, and reserve again"
                )
            if has_quota:
                others = self._held_stacks(reservation.owner) - len(reservation.stacks)
                require_quota(
                    self.quotas.list_all(),
                    reservation.owner,
                    stacks=len(reservation.stacks),
                    held_stacks=others,
                    seconds=reservation.seconds + seconds,
                )
            extended = replace(
                reservation,
                seconds=reservation.seconds + seconds,
                ends_at=(reservation.ends_at or self._clock()) + seconds,
                deadline=(reservation.deadline or self._boot_clock()) + seconds,
            )
            self._save([extended])
            return extended

    def renew(self, number: int, actor: str) -> Reservation:
        """Renew the lease of a reservation. Raises `UnknownReservationError` and as `extend`."""
        with self._lock:
            reservation = self._require_own(number, actor)
            self._renew_lease(reservation)
        self.tick()
        return self.get(number)

    def hand_back(self, number: int, actor: str, *, is_admin: bool = False) -> Reservation:
        """End a reservation now. Raises the errors of `extend`, also if it has ended."""
        with self._lock:
            reservation = self._require_own(number, actor, is_admin=is_admin)
            by = "" if actor == reservation.owner else f" by {actor}"
            self._end(reservation, f"{_HANDED_BACK}{by}")
        self.tick()
        return self.get(number)

    def take_over(self, number: int, admin: str) -> Reservation:
        """Make an admin the owner of an active reservation, until its end.

        Raises the errors of `extend`.
        """
        with self._lock:
            reservation = self._require_active(self._require_own(number, admin, is_admin=True))
            taken = replace(reservation, owner=admin, lease_seconds=None)
            self._save([taken])
            self._lease_ends.pop(number, None)
            self._record(admin, "take over", taken, f"from {reservation.owner}")
            return taken

    def get(self, number: int) -> Reservation:
        """Return a reservation. Raises `UnknownReservationError` and `DatabaseError`."""
        return self._open.get(number) or self._store.get(number)

    def active(self, number: int) -> Reservation | None:
        """Return a reservation if its stacks belong to its owner now, otherwise None."""
        reservation = self._open.get(number)
        is_active = reservation is not None and reservation.state is ReservationState.ACTIVE
        return reservation if is_active else None

    def list_open(self) -> Sequence[Reservation]:
        """Return the reservations that have not ended, oldest first."""
        with self._lock:
            return sorted(self._open.values(), key=lambda each: each.id)

    def list_recent(self, limit: int, before: int | None = None) -> Sequence[Reservation]:
        """Return reservations, newest first. Raise `DatabaseError`."""
        return self._store.list_recent(limit, before)

    def seconds_left(self, reservation: Reservation) -> float | None:
        """Return the remaining seconds of an active reservation, otherwise None."""
        if reservation.state is not ReservationState.ACTIVE or reservation.deadline is None:
            return None
        return max(0.0, reservation.deadline - self._boot_clock())

    def places(self) -> Mapping[int, QueuePlace]:
        """Return the place of each queued reservation."""
        with self._lock:
            left = {each.stacks: self.seconds_left(each) or 0.0 for each in self._active()}
            return queue.places(self._queue(), left, self._free_stacks(), self.rack)

    def holders(self) -> Mapping[int, Reservation]:
        """Return the active reservation of each reserved stack."""
        with self._lock:
            return {stack: each for each in self._active() for stack in each.stacks}

    def require_access(self, stacks: Iterable[int], owner: str) -> None:
        """Raise StackReservedError if a stack is reserved for another owner.

        Call it after the stacks were claimed: a stack that is claimed is not given to the next
        reservation.
        """
        holders = self.holders()
        for stack in sorted(stacks):
            holder = holders.get(stack)
            if holder is None or owner == POWER_RETURN:
                continue
            if owner != holder.owner or holder.id in self._closing:
                until = time.strftime("%H:%M", time.localtime(holder.ends_at))
                raise StackReservedError(
                    f"stack {stack_name(stack)} is reserved for {holder.owner} until {until}"
                    f" ({holder.title})"
                )

    def make_thread(self) -> PeriodicThread:
        """Return a thread that calls `tick` twice a second. Orders must be accepted before."""
        return PeriodicThread(
            "reservations", _TICK_INTERVAL, self.tick, "reservations neither start nor end"
        )

    def tick(self) -> None:
        """End and start reservations that are due.

        Raises:
            DatabaseError: If pirack.db cannot be used. The next call tries again.
        """
        with self._tick_lock:
            with self._lock:
                self._follow_clock()
                self._notice_ends()
                endings = [self._open[number] for number in self._endings]
            for reservation in endings:
                self._complete_end(reservation)
            with self._lock:
                self._start_next()

    def _follow_clock(self) -> None:
        """Correct the times of day of the ends after the clock was set, also for a reboot."""
        now, boot_now = self._clock(), self._boot_clock()
        moved = [
            replace(each, ends_at=now + each.deadline - boot_now)
            for each in self._active()
            if each.deadline is not None
            and each.ends_at is not None
            and abs(now + each.deadline - boot_now - each.ends_at) > _MAX_CLOCK_ERROR
        ]
        if moved:
            self._save(moved)

    def _notice_ends(self) -> None:
        now = self._boot_clock()
        for number, reservation in list(self._open.items()):
            if now >= self._lease_ends.get(number, now + 1):
                self._end(reservation, f"not renewed for {reservation.lease_seconds:g} s")
            elif reservation.deadline is not None and now >= reservation.deadline:
                self._end(reservation, _TIME_IS_OVER)

    def _end(self, reservation: Reservation, reason: str) -> None:
        """End a queued reservation now, or let `tick` end an active one."""
        if reservation.state is ReservationState.QUEUED:
            self._close(reservation, reason)
        else:
            self._endings.setdefault(reservation.id, (reason, self._boot_clock()))

    def _complete_end(self, reservation: Reservation) -> None:
        """Let the listeners finish, return the power, and close a reservation."""
        reason, since = self._endings[reservation.id]
        finished = [listener(reservation) for listener in self._listeners]
        if not all(finished) and self._boot_clock() - since < _END_SECONDS:
            return
        self._closing.add(reservation.id)
        if set(reservation.stacks) & self._claims.holders().keys():
            return  # an order of the owner still runs, and may switch the power
        try:
            self._power_on(reservation.stacks)
        except PiRackError as error:
            if self._boot_clock() - since < _END_SECONDS:
                return  # the next call tries again
            _log.error("the power of the stacks of %s cannot return: %s", reservation.title, error)
        with self._lock:
            self._close(self._open[reservation.id], reason)
            del self._endings[reservation.id]
            self._closing.discard(reservation.id)

    def _close(self, reservation: Reservation, reason: str) -> None:
        ended = replace(
            reservation,
            state=ReservationState.ENDED,
            ends_at=self._clock(),
            end_reason=reason,
            deadline=None,
        )
        self._store.save([ended])
        del self._open[reservation.id]
        self._lease_ends.pop(reservation.id, None)
        self._record(reservation.owner, "reservation ended", ended, reason)

    def _start_next(self) -> None:
        starts = queue.startable(self._queue(), self._free_stacks(), self.rack)
        if not starts:
            return
        now, boot_now = self._clock(), self._boot_clock()
        started = [
            replace(
                self._open[number],
                state=ReservationState.ACTIVE,
                stacks=stacks,
                started_at=now,
                ends_at=now + self._open[number].seconds,
                deadline=boot_now + self._open[number].seconds,
                boot_id=self._boot_id,
            )
            for number, stacks in starts.items()
        ]
        self._save(started)
        for reservation in started:
            self._record(reservation.owner, "reserve", reservation, f"{reservation.seconds:g} s")

    def _resume(self, reservation: Reservation) -> Reservation:
        """Return a stored reservation with its deadline in this boot."""
        if reservation.ends_at is None or reservation.boot_id == self._boot_id:
            return reservation
        left = min(max(reservation.ends_at - self._clock(), 0.0), reservation.seconds)
        return replace(reservation, deadline=self._boot_clock() + left, boot_id=self._boot_id)

    def _save(self, reservations: Sequence[Reservation]) -> None:
        self._store.save(reservations)
        self._open |= {reservation.id: reservation for reservation in reservations}

    def _renew_lease(self, reservation: Reservation) -> None:
        if reservation.lease_seconds is not None:
            self._lease_ends[reservation.id] = self._boot_clock() + reservation.lease_seconds

    def _require_own(self, number: int, actor: str, *, is_admin: bool = False) -> Reservation:
        reservation = self._open.get(number)
        if reservation is None:
            ended = self._store.get(number)
            raise ReservationRefusedError(f"{ended.title} has already ended: {ended.end_reason}")
        if reservation.owner != actor and not is_admin:
            raise ReservationRefusedError(
                f"{reservation.title} belongs to {reservation.owner}: an admin can take it over"
            )
        return reservation

    def _require_active(self, reservation: Reservation) -> Reservation:
        if reservation.state is ReservationState.QUEUED:
            raise ReservationRefusedError(f"{reservation.title} has not started: wait for it")
        if reservation.id in self._endings:
            raise ReservationRefusedError(f"{reservation.title} is ending: reserve again")
        return reservation

    def _first_waiting(self, reservation: Reservation) -> Reservation | None:
        """Return the first queued reservation that waits for one of these stacks."""
        return next(
            (
                waiting
                for waiting in self._queue()
                if queue.waits_for(waiting.selection, reservation.stacks, self.rack)
            ),
            None,
        )

    def _active(self) -> list[Reservation]:
        return [each for each in self._open.values() if each.state is ReservationState.ACTIVE]

    def _queue(self) -> list[Reservation]:
        queued = (each for each in self._open.values() if each.state is ReservationState.QUEUED)
        return sorted(queued, key=lambda each: each.id)

    def _free_stacks(self) -> set[int]:
        reserved = {stack for each in self._active() for stack in each.stacks}
        stacks = {stack.number for stack in self.rack.stacks}
        return stacks - reserved - self._claims.holders().keys()

    def _held_stacks(self, owner: str) -> int:
        return sum(
            len(each.stacks or queue.required_stacks(each.selection, self.rack))
            for each in self._open.values()
            if each.owner == owner
        )

    def _record(self, actor: str, action: str, reservation: Reservation, detail: str) -> None:
        targets = " ".join(map(stack_name, reservation.stacks)) or reservation.selection
        try:
            self._audit.record(
                AuditEvent(actor, "", action, targets, "ok", f"{reservation.title}, {detail}")
            )
        except DatabaseError as error:
            _log.error("the audit log cannot be written: %s", error)
