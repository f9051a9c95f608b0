"""Tests of the claims of stacks."""

from collections.abc import Collection

import pytest

from controller.claims import StackClaims
from controller.errors import StackBusyError, StackReservedError
from controller.state.model import RaspOperation


def test_claim_of_a_busy_stack_names_its_holder() -> None:
    claims = StackClaims()
    claims.claim([3, 4], "order 12: power_off")
    with pytest.raises(StackBusyError, match="stack 4 is busy with order 12: power_off"):
        claims.claim([4, 5], "order 13: power_on")


def test_rejected_claim_reserves_no_stack() -> None:
    claims = StackClaims()
    claims.claim([3], "order 12: power_off")
    with pytest.raises(StackBusyError):
        claims.claim([2, 3], "an install")
    assert claims.holders() == {3: "order 12: power_off"}


def test_claim_is_released_at_the_end_of_the_block_or_earlier() -> None:
    claims = StackClaims()
    with claims.claim([3], "order 12: power_off") as claim:
        claim.release()
        claims.claim([3], "order 13: power_on")
    assert claims.holders() == {3: "order 13: power_on"}


def test_claim_of_a_stack_that_is_reserved_for_another_owner_is_refused_and_released() -> None:
    def require_access(stacks: Collection[int], owner: str) -> None:
        if 3 in stacks and owner != "anna":
            raise StackReservedError("stack 03 is reserved for anna until 14:35 (reservation 7)")

    claims = StackClaims()
    claims.restrict(require_access)
    with pytest.raises(StackReservedError, match="reserved for anna"):
        claims.claim([2, 3], "order 12: power_off", "ben")
    assert claims.holders() == {}
    claims.claim([2, 3], "order 13: power_off", "anna")


def test_claims_report_the_operations_of_their_holders_until_they_are_released() -> None:
    claims = StackClaims()
    claims.claim([3, 4], "install of otto", operations=lambda: {9: RaspOperation.INSTALLING})
    order = claims.claim([5], "order 12: power_off", operations=lambda: {17: RaspOperation.BOOTING})
    assert claims.operations() == {9: RaspOperation.INSTALLING, 17: RaspOperation.BOOTING}
    order.release()
    assert claims.operations() == {9: RaspOperation.INSTALLING}
