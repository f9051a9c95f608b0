"""Decide which queued reservations start. Pure functions.

The queue is first in, first out. A later reservation starts earlier only with stacks that no
earlier one waits for.
"""

from collections.abc import Collection, Mapping, Sequence

from controller.reservations.model import QueuePlace, Reservation
from rack.layout import Rack
from rack.selection import SelectionError, count_of, select_stacks

_Stacks = tuple[int, ...]


def startable(
    queue: Sequence[Reservation], free: Collection[int], rack: Rack
) -> Mapping[int, _Stacks]:
    """Return the stacks of each reservation that can start, by its id.

    Args:
        queue: Queued reservations, oldest first.
        free: Numbers of the stacks that are neither reserved nor in use.
        rack: Layout of the rack.
    """
    available = set(free)
    starts: dict[int, _Stacks] = {}
    for reservation in queue:
        if not available:
            break
        stacks = _stacks_for(reservation.selection, available, rack)
        if stacks is not None:
            starts[reservation.id] = stacks
            available -= set(stacks)
        else:
            available -= _awaited(reservation.selection, available, rack)
    return starts


def required_stacks(selection: str, rack: Rack) -> _Stacks:
    """Return the stacks that a selection needs in an empty rack.

    Raises:
        SelectionError: If the selection is malformed, or larger than the rack.
    """
    return select_stacks(rack, selection, _all_stacks(rack))


def waits_for(selection: str, stacks: Collection[int], rack: Rack) -> bool:
    """Return whether a queued selection could use one of these stacks."""
    return bool(_awaited(selection, stacks, rack) & set(stacks))


def places(
    queue: Sequence[Reservation],
    seconds_left: Mapping[_Stacks, float],
    free: Collection[int],
    rack: Rack,
) -> Mapping[int, QueuePlace]:
    """Return the place of each queued reservation.

    The estimate assumes that each reservation takes its whole time.

    Args:
        queue: Queued reservations, oldest first.
        seconds_left: Remaining time of the stacks of each active reservation.
        free: Numbers of the stacks that are neither reserved nor in use.
        rack: Layout of the rack.
    """
    expected: dict[int, tuple[float, _Stacks]] = {}
    waiting, available, now = list(queue), set(free), 0.0
    ends = sorted((seconds, stacks) for stacks, seconds in seconds_left.items())
    while waiting:
        starts = startable(waiting, available, rack)
        for reservation in waiting:
            if stacks := starts.get(reservation.id):
                expected[reservation.id] = (now, stacks)
                available -= set(stacks)
                ends.append((now + reservation.seconds, stacks))
        waiting = [reservation for reservation in waiting if reservation.id not in starts]
        ends.sort()
        if not ends:
            break
        now, stacks = ends.pop(0)
        available |= set(stacks)
    return {
        reservation.id: QueuePlace(position, *expected.get(reservation.id, (None, ())))
        for position, reservation in enumerate(queue, 1)
    }


def _stacks_for(selection: str, available: Collection[int], rack: Rack) -> _Stacks | None:
    try:
        if count_of(selection):
            return select_stacks(rack, selection, sorted(available))
        stacks = required_stacks(selection, rack)
    except SelectionError:
        return None
    return stacks if set(stacks) <= set(available) else None


def _awaited(selection: str, available: Collection[int], rack: Rack) -> set[int]:
    """Return the stacks that a reservation which cannot start yet keeps for itself."""
    if count_of(selection):
        return set(available)  # it starts as soon as there are enough stacks
    try:
        return set(required_stacks(selection, rack))
    except SelectionError:  # the layout has changed: the reservation never starts
        return set()


def _all_stacks(rack: Rack) -> _Stacks:
    return tuple(stack.number for stack in rack.stacks)
