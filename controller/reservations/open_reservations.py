"""The reservations that have not ended, in memory and in pirack.db."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from controller.errors import ReservationRefusedError
from controller.reservations import lifecycle, queue
from controller.reservations.model import QueuePlace, Reservation, ReservationState
from controller.reservations.store import ReservationStore
from rack.clock import Moment
from rack.layout import Rack


class OpenReservations:
    """Reservations that are queued or active, and the ends of their leases.

    Hold `lock` to change them, and while several calls belong together.

    Args:
        rack: Layout of the rack.
        store: Storage of reservations.
        boot_id: Id of this boot of the master.
        now: Returns the time on both clocks of the master.

    Raises:
        DatabaseError: If pirack.db cannot be used.
    """

    def __init__(
        self, rack: Rack, store: ReservationStore, boot_id: str, now: Callable[[], Moment]
    ) -> None:
        self.lock = threading.RLock()
        self._rack = rack
        self._store = store
        self._now = now
        moment = now()
        self._open = {
            each.id: lifecycle.resumed(each, moment, boot_id) for each in store.list_open()
        }
        self._lease_ends: dict[int, float] = {}
        for reservation in self._open.values():
            self.renew_lease(reservation)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, reservation: Reservation) -> Reservation:
        """Save a new reservation. Return it with its id."""
        saved = self._store.add(reservation)
        self._open[saved.id] = saved
        self.renew_lease(saved)
        return saved

    def save(self, reservations: Sequence[Reservation]) -> None:
        """Save the current versions of reservations in one commit."""
        self._store.save(reservations)
        self._open |= {reservation.id: reservation for reservation in reservations}

    def close(self, ended: Reservation) -> None:
        """Save a reservation that has ended, and forget it."""
        self._store.save([ended])
        del self._open[ended.id]
        self.drop_lease(ended.id)

    def renew_lease(self, reservation: Reservation) -> None:
        """Let the lease of a reservation start again, if it has one."""
        if reservation.lease_seconds is not None:
            self._lease_ends[reservation.id] = self._now().monotonic + reservation.lease_seconds

    def drop_lease(self, number: int) -> None:
        """Let a reservation go on without a lease."""
        self._lease_ends.pop(number, None)

    def lease_end(self, number: int) -> float | None:
        """Return the end of a lease in seconds since the boot of the master, or None."""
        return self._lease_ends.get(number)

    def get(self, number: int) -> Reservation | None:
        """Return an open reservation, or None."""
        return self._open.get(number)

    def current(self, reservation: Reservation) -> Reservation:
        """Return the current version of an open reservation."""
        return self._open[reservation.id]

    def require_own(self, number: int, actor: str, *, is_admin: bool = False) -> Reservation:
        """Return an open reservation of an actor.

        Raises:
            UnknownReservationError: If it does not exist.
            ReservationRefusedError: If it has ended, or belongs to another owner.
        """
        reservation = self._open.get(number)
        if reservation is None:
            ended = self._store.get(number)
            raise ReservationRefusedError(f"{ended.title} has already ended: {ended.end_reason}")
        if not reservation.belongs_to(actor) and not is_admin:
            raise ReservationRefusedError(
                f"{reservation.title} belongs to {reservation.owner}: an admin can take it over"
            )
        return reservation

    def all(self) -> list[Reservation]:
        """Return all open reservations, oldest first."""
        return sorted(self._open.values(), key=lambda each: each.id)

    def active(self) -> list[Reservation]:
        """Return the active reservations."""
        return [each for each in self._open.values() if each.state is ReservationState.ACTIVE]

    def queued(self) -> list[Reservation]:
        """Return the queue, oldest first."""
        return [each for each in self.all() if each.state is ReservationState.QUEUED]

    def holders(self) -> Mapping[int, Reservation]:
        """Return the active reservation of each reserved stack."""
        return {stack: each for each in self.active() for stack in each.stacks}

    def held_stacks(self, owner: str) -> int:
        """Return the number of stacks that an owner has or waits for."""
        return sum(
            len(each.stacks or queue.required_stacks(each.selection, self._rack))
            for each in self._open.values()
            if each.owner == owner
        )

    def startable(self, claimed: Collection[int]) -> Mapping[int, tuple[int, ...]]:
        """Return the stacks of each reservation that can start, by its id.

        Args:
            claimed: Numbers of the stacks that orders and installs use.
        """
        return queue.startable(self.queued(), self._free_stacks(claimed), self._rack)

    def places(self, claimed: Collection[int]) -> Mapping[int, QueuePlace]:
        """Return the place of each queued reservation. See `startable`."""
        left = {each.stacks: self.seconds_left(each) or 0.0 for each in self.active()}
        return queue.places(self.queued(), left, self._free_stacks(claimed), self._rack)

    def first_waiting(self, reservation: Reservation) -> Reservation | None:
        """Return the first queued reservation that waits for a stack of this one."""
        return next(
            (
                waiting
                for waiting in self.queued()
                if queue.waits_for(waiting.selection, reservation.stacks, self._rack)
            ),
            None,
        )

    def seconds_left(self, reservation: Reservation) -> float | None:
        """Return the remaining seconds of an active reservation, otherwise None."""
        if reservation.state is not ReservationState.ACTIVE or reservation.deadline is None:
            return None
        return max(0.0, reservation.deadline - self._now().monotonic)

    def _free_stacks(self, claimed: Collection[int]) -> set[int]:
        stacks = {stack.number for stack in self._rack.stacks}
        return stacks - self.holders().keys() - set(claimed)
