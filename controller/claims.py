"""Exclusive claims of stacks by running orders and installs."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Self

from controller.errors import StackBusyError, StackReservedError
from controller.state.model import RaspOperation

RequireAccess = Callable[[Collection[int], str], None]
Operations = Callable[[], Mapping[int, RaspOperation]]
"""Returns what an order or install is doing with rasps, keyed by id."""


def _allow(_stacks: Collection[int], _owner: str) -> None:
    """Allow every claim."""


class StackClaims:
    """Claimed stacks and their holders. Thread-safe."""

    def __init__(self) -> None:
        self._require_access: RequireAccess = _allow
        self._lock = threading.Lock()
        self._claims: dict[int, Claim] = {}
        self._claim_counts: Counter[int] = Counter()

    def restrict(self, require_access: RequireAccess) -> None:
        """Check each claim with a function that raises an error if it is not allowed."""
        self._require_access = require_access

    def claim(
        self,
        stacks: Collection[int],
        reserved_by: str,
        owner: str = "",
        operations: Operations = dict,
    ) -> "Claim":
        """Claim all given stacks, or none.

        Args:
            stacks: Numbers of the stacks.
            reserved_by: Description of the holder, for example `order 12: power_off`.
            owner: User or token to whom the stacks may be reserved.
            operations: Returns what the holder is doing with rasps.

        Raises:
            StackBusyError: If one of the stacks is already claimed.
            StackReservedError: If one of the stacks is reserved for another owner.
        """
        claim = Claim(self, frozenset(stacks), reserved_by, operations)
        with self._lock:
            for stack in sorted(stacks):
                if stack in self._claims:
                    raise StackBusyError(stack, self._claims[stack].reserved_by)
            self._claims |= dict.fromkeys(stacks, claim)
            self._claim_counts.update(set(stacks))
        try:
            # After the claim, because a claimed stack is not given to the next reservation.
            self._require_access(stacks, owner)
        except StackReservedError:
            claim.release()
            raise
        return claim

    def holders(self) -> Mapping[int, str]:
        """Return the holder of each claimed stack, keyed by stack number."""
        with self._lock:
            return {stack: claim.reserved_by for stack, claim in self._claims.items()}

    def operations(self) -> Mapping[int, RaspOperation]:
        """Return what the holders of claims are doing with rasps, keyed by id."""
        with self._lock:
            claims = set(self._claims.values())
        return {
            rasp: operation for claim in claims for rasp, operation in claim.operations().items()
        }

    def claim_counts(self) -> Mapping[int, int]:
        """Return the number of claims of each stack that was claimed at least once."""
        with self._lock:
            return dict(self._claim_counts)

    def _release(self, stacks: Collection[int]) -> None:
        with self._lock:
            for stack in stacks:
                del self._claims[stack]


class Claim:
    """Claimed stacks, released by `release` or at the end of the `with` block."""

    def __init__(
        self, claims: StackClaims, stacks: Collection[int], reserved_by: str, operations: Operations
    ) -> None:
        self.reserved_by = reserved_by
        self.operations = operations
        self._claims = claims
        self._stacks = stacks

    def release(self) -> None:
        """Release the stacks. Further calls have no effect."""
        self._claims._release(self._stacks)  # noqa: SLF001 - friend of StackClaims
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
