"""Reservations: who has which stacks until when, and who waits for stacks."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from controller.audit import Audit
from controller.auth.tokens import user_of_actor
from controller.claims import StackClaims
from controller.errors import ReservationRefusedError, StackReservedError
from controller.orders.model import POWER_RETURN
from controller.periodic import PeriodicThread
from controller.reservations import lifecycle, queue
from controller.reservations.model import QueuePlace, Reservation, ReservationState
from controller.reservations.open_reservations import OpenReservations
from controller.reservations.quotas import require_quota
from controller.reservations.scheduler import OnEnd, ReservationScheduler
from controller.reservations.store import QuotaStore, ReservationStore
from rack.clock import Moment
from rack.layout import Rack
from rack.names import stack_name

MAX_QUEUED = 200
"""Maximum number of reservations that have not ended."""

_TICK_INTERVAL = 0.5
_HANDED_BACK = "handed back"


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
        self._now = now
        self._open = OpenReservations(rack, store, boot_id, now)
        self._scheduler = ReservationScheduler(self._open, claims, audit, power_on, boot_id, now)

    def on_end(self, listener: OnEnd) -> None:
        """Call a function at the end of each reservation, until it returns True.

        Until then, the owner keeps the stacks, at most for a minute.
        """
        self._scheduler.on_end(listener)

    def reserve(
        self,
        actor: str,
        selection: str,
        seconds: float,
        *,
        lease_seconds: float | None = None,
        has_quota: bool = True,
    ) -> Reservation:
        """Reserve stacks, or queue for them.

        Args:
            actor: User or token. A token of a user reserves for the user.
            selection: What to reserve, see `rack.selection`.
            seconds: Duration from the start of the reservation.
            lease_seconds: End it if it is not renewed for these seconds, or None.
            has_quota: Whether the quotas apply.

        Raises:
            SelectionError: If the selection is malformed, or larger than the rack.
            ReservationRefusedError: If a quota does not allow it, or too many are queued.
            DatabaseError: If pirack.db cannot be used.
        """
        owner = user_of_actor(actor)
        stacks = queue.required_stacks(selection, self.rack)
        with self._open.lock:
            if len(self._open) >= MAX_QUEUED:
                raise ReservationRefusedError("too many reservations are queued: try again later")
            if has_quota:
                require_quota(
                    self.quotas.list_all(),
                    owner,
                    stacks=len(stacks),
                    held_stacks=self._open.held_stacks(owner),
                    seconds=seconds,
                )
            reservation = self._open.add(
                Reservation(
                    id=0,
                    owner=owner,
                    selection=selection,
                    seconds=seconds,
                    lease_seconds=lease_seconds,
                    state=ReservationState.QUEUED,
                    stacks=(),
                    queued_at=self._now().time,
                )
            )
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
        with self._open.lock:
            reservation = self._require_active(self._open.require_own(number, actor))
            if waiting := self._open.first_waiting(reservation):
                raise ReservationRefusedError(
                    f"{waiting.owner} waits for these stacks ({waiting.title}):"
                    " hand them back, and reserve again"
                )
            if has_quota:
                others = self._open.held_stacks(reservation.owner) - len(reservation.stacks)
                require_quota(
                    self.quotas.list_all(),
                    reservation.owner,
                    stacks=len(reservation.stacks),
                    held_stacks=others,
                    seconds=reservation.seconds + seconds,
                )
            extended = lifecycle.extended(reservation, seconds, self._now())
            self._open.save([extended])
            return extended

    def renew(self, number: int, actor: str) -> Reservation:
        """Renew the lease of a reservation. Raises `UnknownReservationError` and as `extend`."""
        with self._open.lock:
            reservation = self._open.require_own(number, actor)
            self._open.renew_lease(reservation)
        self.tick()
        return self.get(number)

    def hand_back(self, number: int, actor: str, *, is_admin: bool = False) -> Reservation:
        """End a reservation now. Raises the errors of `extend`, also if it has ended."""
        with self._open.lock:
            reservation = self._open.require_own(number, actor, is_admin=is_admin)
            by = "" if reservation.belongs_to(actor) else f" by {actor}"
            self._scheduler.end(reservation, f"{_HANDED_BACK}{by}")
        self.tick()
        return self.get(number)

    def take_over(self, number: int, admin: str) -> Reservation:
        """Make an admin the owner of an active reservation, until its end.

        Raises the errors of `extend`.
        """
        with self._open.lock:
            reservation = self._require_active(self._open.require_own(number, admin, is_admin=True))
            taken = replace(reservation, owner=user_of_actor(admin), lease_seconds=None)
            self._open.save([taken])
            self._open.drop_lease(number)
            self._scheduler.record(admin, "take over", taken, f"from {reservation.owner}")
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
        with self._open.lock:
            return self._open.all()

    def list_recent(self, limit: int, before: int | None = None) -> Sequence[Reservation]:
        """Return reservations, newest first. Raise `DatabaseError`."""
        return self._store.list_recent(limit, before)

    def seconds_left(self, reservation: Reservation) -> float | None:
        """Return the remaining seconds of an active reservation, otherwise None."""
        return self._open.seconds_left(reservation)

    def places(self) -> Mapping[int, QueuePlace]:
        """Return the place of each queued reservation."""
        with self._open.lock:
            return self._open.places(self._claims.holders().keys())

    def holders(self) -> Mapping[int, Reservation]:
        """Return the active reservation of each reserved stack."""
        with self._open.lock:
            return self._open.holders()

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
            if not holder.belongs_to(owner) or self._scheduler.is_closing(holder.id):
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
        self._scheduler.tick()

    def _require_active(self, reservation: Reservation) -> Reservation:
        if reservation.state is ReservationState.QUEUED:
            raise ReservationRefusedError(f"{reservation.title} has not started: wait for it")
        if self._scheduler.is_ending(reservation.id):
            raise ReservationRefusedError(f"{reservation.title} is ending: reserve again")
        return reservation
