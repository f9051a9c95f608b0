"""Reservations: who has a stack to itself, so that no two orders pull at one stack."""

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

from controller.errors import StackBusyError


class Reservations:
    """Which stacks are claimed, and by whom. Safe to be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: dict[int, str] = {}
        self._claim_counts: Counter[int] = Counter()

    def claim(self, stacks: Collection[int], reserved_by: str) -> "Claim":
        """Claim these stacks, all of them or none.

        Args:
            stacks: their numbers.
            reserved_by: who has them then, in words for people, such as `order 12: power_off`.

        Raises:
            StackBusy: somebody else has one of them.
        """
        with self._lock:
            for stack in sorted(stacks):
                if stack in self._holders:
                    raise StackBusyError(stack, self._holders[stack])
            self._holders |= dict.fromkeys(stacks, reserved_by)
            self._claim_counts.update(set(stacks))
        return Claim(self, frozenset(stacks))

    def holders(self) -> Mapping[int, str]:
        """Return who has each stack that is claimed, by its number."""
        with self._lock:
            return dict(self._holders)

    def claim_counts(self) -> Mapping[int, int]:
        """Return how often each stack has been claimed, by its number; 0 is not told."""
        with self._lock:
            return dict(self._claim_counts)

    def _release(self, stacks: Collection[int]) -> None:
        with self._lock:
            for stack in stacks:
                del self._holders[stack]


class Claim:
    """Stacks that somebody has, until they are released or the `with` block ends."""

    def __init__(self, reservations: Reservations, stacks: Collection[int]) -> None:
        self._reservations = reservations
        self._stacks = stacks

    def release(self) -> None:
        """Let the stacks go; nothing where that was done before."""
        self._reservations._release(self._stacks)  # noqa: SLF001 - two halves of one thing
        self._stacks = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
