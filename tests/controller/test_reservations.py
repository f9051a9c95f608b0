"""Tests of the reservations of stacks."""

import pytest

from controller.errors import StackBusyError
from controller.reservations import Reservations


def test_claim_of_a_busy_stack_names_its_holder() -> None:
    reservations = Reservations()
    reservations.claim([3, 4], "order 12: power_off")
    with pytest.raises(StackBusyError, match="stack 4 is busy with order 12: power_off"):
        reservations.claim([4, 5], "order 13: power_on")


def test_rejected_claim_reserves_no_stack() -> None:
    reservations = Reservations()
    reservations.claim([3], "order 12: power_off")
    with pytest.raises(StackBusyError):
        reservations.claim([2, 3], "an install")
    assert reservations.holders() == {3: "order 12: power_off"}


def test_claim_is_released_at_the_end_of_the_block_or_earlier() -> None:
    reservations = Reservations()
    with reservations.claim([3], "order 12: power_off") as claim:
        claim.release()
        reservations.claim([3], "order 13: power_on")
    assert reservations.holders() == {3: "order 13: power_on"}
