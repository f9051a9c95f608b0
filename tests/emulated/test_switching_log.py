"""Tests of the comparison of orders with moves of relays."""

from tests.emulated.relay_moves import Power
from tests.emulated.switching_log import expected_moves

ON, OFF = Power.ON, Power.OFF
BEFORE = {1: ON, 2: ON, 3: OFF}


def test_every_order_moves_the_relays_that_differ() -> None:
    log = "1 off 2 on 3 on\n1 off\n1 on\nkilled\n"
    moves = [(1, OFF), (3, ON), (1, ON)]
    assert expected_moves(log, moves, BEFORE) == moves


def test_last_order_before_a_kill_may_be_incomplete() -> None:
    log = "1 off 2 off\nkilled\n2 off\nkilled\n"
    for moves in ([], [(1, OFF)], [(1, OFF), (2, OFF)]):
        assert expected_moves(log, moves, BEFORE) == moves


def test_order_that_moved_nothing_before_the_next_one_is_a_difference() -> None:
    log = "1 off\n2 off\nkilled\n"
    moves = [(2, OFF)]
    assert expected_moves(log, moves, BEFORE) != moves


def test_move_without_an_order_is_a_difference() -> None:
    log = "1 off\nkilled\n"
    for moves in ([(1, OFF), (1, ON)], [(2, OFF)], [(1, OFF), (1, OFF)]):
        assert expected_moves(log, moves, BEFORE) != moves
