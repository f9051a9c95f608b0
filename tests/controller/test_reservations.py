"""Who has a stack to itself."""

import pytest

from controller.errors import StackBusyError
from controller.reservations import Reservations


def test_a_stack_that_somebody_has_is_refused_by_name() -> None:
    reservations = Reservations()
    reservations.claim([3, 4], "order 12: power_off")
    with pytest.raises(StackBusyError, match="stack 4 is busy with order 12: power_off"):
        reservations.claim([4, 5], "order 13: power_on")


def test_who_is_refused_one_stack_gets_none() -> None:
    reservations = Reservations()
    reservations.claim([3], "order 12: power_off")
    with pytest.raises(StackBusyError):
        reservations.claim([2, 3], "an install")
    assert reservations.holders() == {3: "order 12: power_off"}


def test_a_stack_is_free_again_after_the_block_and_can_be_let_go_twice() -> None:
    reservations = Reservations()
    with reservations.claim([3], "order 12: power_off") as claim:
        claim.release()
        reservations.claim([3], "order 13: power_on")
    assert reservations.holders() == {3: "order 13: power_on"}
