"""Simulated clients that share a rack for an hour, and the rules that must hold meanwhile."""

import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from controller.errors import ReservationRefusedError, StackBusyError, StackReservedError
from controller.reservations.model import Reservation, ReservationState
from rack.selection import count_of, select_stacks
from tests.controller.reservations.reservation_lab import ReservationLab

_STACKS = 12
_MINUTE = 60.0
_SECONDS_UNTIL_KILL = 400.0


@dataclass(frozen=True)
class StackEdge:
    """A change of the power of a stack by a client."""

    client: str
    stack: int
    time: float


class SimulatedReservations:
    """Clients that reserve stacks, switch them, and try to switch those of others.

    The controller is killed from time to time. The rules are checked with the stored reservations,
    without the scheduler.

    Args:
        folder: Folder of the database.
        clients: Number of clients.
        seed: Seed of all random values.
    """

    def __init__(self, folder: Path, clients: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._lab = ReservationLab(folder, _STACKS, power_on=self._return_power)
        self._clients = [f"client-{number:02}" for number in range(clients)]
        self._switched_off: set[int] = set()
        self._edges: list[StackEdge] = []
        self.counts: Counter[str] = Counter()

    def run(self, seconds: float) -> None:
        """Let the clients act, and check the rules after each step."""
        end = self._lab.monotonic + seconds
        while self._lab.monotonic < end:
            for client in self._clients:
                if self._random.random() < 0.2:
                    self._act(client)
            step = self._random.uniform(1, 10)
            if self._random.random() < step / _SECONDS_UNTIL_KILL:
                self._kill()
            self._lab.pass_time(step)
            self._check_head_of_queue()
        self._check_order()
        self._check_overlaps()
        self._check_edges()

    def _act(self, client: str) -> None:
        self._lab.monotonic += 0.001  # no two clients act at the same time
        self._lab.wall += 0.001
        own = [each for each in self._lab.service.list_open() if each.owner == client]
        if not own and self._random.random() < 0.5:
            self._reserve(client)
        for reservation in own:
            self._use(reservation)
        self._try_to_switch(client, self._random.randint(1, _STACKS))

    def _reserve(self, client: str) -> None:
        first = self._random.randint(1, _STACKS)
        selection = self._random.choice(
            [
                f"{self._random.randint(1, 4)} stacks",
                f"{self._random.randint(1, 6)} rasps",
                f"stack {first}",
                f"stacks {first}-{min(first + 2, _STACKS)}",
            ]
        )
        seconds = self._random.uniform(_MINUTE, 10 * _MINUTE)
        lease = self._random.choice([None, None, 30.0])
        self._lab.service.reserve(client, selection, seconds, lease_seconds=lease)
        self.counts["reserved"] += 1

    def _use(self, reservation: Reservation) -> None:
        """Renew, extend, hand back or switch the stacks of an own reservation."""
        choice, service = self._random.random(), self._lab.service
        number, owner = reservation.id, reservation.owner
        if choice < 0.05:
            service.hand_back(number, owner)
        elif choice < 0.1:
            try:
                service.extend(number, _MINUTE, owner)
            except ReservationRefusedError:
                self.counts["not extended"] += 1
        else:
            service.renew(number, owner)
            for stack in reservation.stacks:
                self._try_to_switch(owner, stack)

    def _try_to_switch(self, client: str, stack: int) -> None:
        try:
            with self._lab.claims.claim([stack], client):
                self._lab.service.require_access([stack], client)
                self._edges.append(StackEdge(client, stack, self._lab.wall))
                self._switched_off.add(stack)
        except (StackBusyError, StackReservedError):
            self.counts["refused"] += 1

    def _kill(self) -> None:
        open_before = self._lab.service.list_open()
        self._lab.restart()
        assert self._lab.service.list_open() == open_before
        self.counts["killed"] += 1

    def _return_power(self, stacks: Collection[int]) -> None:
        self._switched_off -= set(stacks)

    def _check_order(self) -> None:
        """A reservation starts only if no earlier one waits for its stacks."""
        reservations = self._all()
        for each in reservations:
            if each.started_at is None:
                continue
            self.counts["started"] += 1
            for earlier in reservations[: each.id - 1]:
                waited_until = earlier.started_at or earlier.ends_at or self._lab.wall
                if each.started_at < waited_until:
                    assert count_of(earlier.selection) is None, (earlier, each)
                    assert not self._required(earlier) & set(each.stacks), (earlier, each)

    def _check_head_of_queue(self) -> None:
        """The first in the queue does not wait while its stacks are free."""
        unfinished = self._lab.service.list_open()
        free = set(range(1, _STACKS + 1)) - {stack for each in unfinished for stack in each.stacks}
        queued = [each for each in unfinished if each.state is ReservationState.QUEUED]
        if queued and count_of(queued[0].selection) is not None:
            assert len(free) < len(self._required(queued[0]))
        elif queued:
            assert not self._required(queued[0]) <= free

    def _check_overlaps(self) -> None:
        """A stack belongs to one owner at a time."""
        for stack in range(1, _STACKS + 1):
            times = sorted(
                (each.started_at, each.ends_at)
                for each in self._all()
                if stack in each.stacks and each.started_at and each.ends_at
            )
            for (_, end), (start, _) in pairwise(times):
                assert end <= start, f"stack {stack} has two owners"

    def _check_edges(self) -> None:
        """No client switches a stack while it belongs to another."""
        held = [each for each in self._all() if each.started_at and each.ends_at]
        for edge in self._edges:
            for each in held:
                if edge.stack in each.stacks and each.owner != edge.client:
                    assert not (each.started_at or 0) <= edge.time < (each.ends_at or 0), edge
        self.counts["edges"] = len(self._edges)

    def _required(self, reservation: Reservation) -> set[int]:
        return set(
            select_stacks(self._lab.rack, reservation.selection, range(1, _STACKS + 1)),
        )

    def _all(self) -> list[Reservation]:
        """Return all stored reservations, oldest first."""
        return list(reversed(self._lab.service.list_recent(5000)))
