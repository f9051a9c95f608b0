"""Reservations: start, end, extension, lease, take-over and access."""

from pathlib import Path

import pytest

from controller.errors import (
    ReservationRefusedError,
    StackBusyError,
    StackReservedError,
    UnknownReservationError,
)
from controller.reservations.model import Quota, Reservation, ReservationState
from rack.selection import SelectionError
from tests.controller.reservations.reservation_lab import ReservationLab

ACTIVE, QUEUED, ENDED = ReservationState.ACTIVE, ReservationState.QUEUED, ReservationState.ENDED


@pytest.fixture
def lab(tmp_path: Path) -> ReservationLab:
    return ReservationLab(tmp_path)


def test_reservation_starts_at_once_if_its_stacks_are_free(lab: ReservationLab) -> None:
    reservation = lab.service.reserve("anna", "3 stacks", 1200)
    assert (reservation.state, reservation.stacks) == (ACTIVE, (1, 2, 3))
    assert reservation.ends_at == lab.wall + 1200
    assert lab.service.seconds_left(reservation) == 1200


def test_queue_is_first_in_first_out_and_shows_the_wait(lab: ReservationLab) -> None:
    lab.service.reserve("anna", "3 stacks", 1200)
    second = lab.service.reserve("ben", "2 stacks", 600)
    third = lab.service.reserve("cleo", "1 stack", 60)
    assert (second.state, third.state) == (QUEUED, QUEUED)  # the free stack waits for ben
    places = lab.service.places()
    assert [places[each.id].position for each in (second, third)] == [1, 2]
    assert [places[each.id].wait_seconds for each in (second, third)] == [1200, 1200]
    lab.pass_time(1200)
    assert [lab.service.get(each.id).stacks for each in (second, third)] == [(1, 2), (3,)]


def test_later_reservation_starts_if_it_delays_no_earlier_one(lab: ReservationLab) -> None:
    lab.service.reserve("anna", "stacks 1-2", 1200)
    waiting = lab.service.reserve("ben", "stacks 2-3", 600)
    other = lab.service.reserve("cleo", "stack 4", 600)
    blocked = lab.service.reserve("dora", "stack 3", 600)
    states = [lab.service.get(each.id).state for each in (waiting, other, blocked)]
    assert states == [QUEUED, ACTIVE, QUEUED]


def test_stacks_of_an_order_are_reserved_when_it_has_finished(lab: ReservationLab) -> None:
    with lab.claims.claim([2], "order 12: power_off"):
        reservation = lab.service.reserve("anna", "stacks 1-2", 1200)
        assert reservation.state is QUEUED
    lab.pass_time(1)
    assert lab.service.get(reservation.id).state is ACTIVE


def test_others_are_refused_with_who_has_the_stack_until_when(lab: ReservationLab) -> None:
    reservation = lab.service.reserve("anna", "stack 3", 1200)
    lab.service.require_access([3], "anna")
    lab.service.require_access([1, 2, 4], "ben")
    with pytest.raises(StackReservedError) as error:
        lab.service.require_access([2, 3], "ben")
    assert str(error.value).startswith("stack 03 is reserved for anna until ")
    assert str(error.value).endswith(f" (reservation {reservation.id})")


def test_power_returns_before_the_next_reservation_starts(lab: ReservationLab) -> None:
    lab.service.reserve("anna", "4 stacks", 1200)
    following = lab.service.reserve("ben", "4 stacks", 600)
    lab.pass_time(1200)
    assert lab.returned == [(1, 2, 3, 4)]
    assert lab.service.get(following.id).state is ACTIVE


def test_listeners_end_their_runs_before_the_power_returns(lab: ReservationLab) -> None:
    ended: list[Reservation] = []
    answers = [False, False, True]

    def end_run(reservation: Reservation) -> bool:
        ended.append(reservation)
        return answers[len(ended) - 1]

    lab.service.on_end(end_run)
    reservation = lab.service.reserve("anna", "stack 1", 60)
    lab.pass_time(60)
    lab.pass_time(1)
    assert (lab.service.get(reservation.id).state, lab.returned) == (ACTIVE, [])
    lab.pass_time(1)
    assert (lab.service.get(reservation.id).state, lab.returned) == (ENDED, [(1,)])


def test_owner_cannot_switch_power_off_again_while_it_returns(tmp_path: Path) -> None:
    refused: list[str] = []

    def return_power(_: object) -> None:
        try:
            own_lab.service.require_access([1], "anna")
        except StackReservedError as error:
            refused.append(str(error))

    own_lab = ReservationLab(tmp_path, power_on=return_power)
    own_lab.service.reserve("anna", "stack 1", 60)
    own_lab.pass_time(60)
    assert len(refused) == 1
    own_lab.service.require_access([1], "anna")


def test_return_of_power_is_tried_again(tmp_path: Path) -> None:
    errors = [StackBusyError(1, "order 12: power_off"), None]

    def return_power(_: object) -> None:
        if error := errors.pop(0):
            raise error

    lab = ReservationLab(tmp_path, power_on=return_power)
    reservation = lab.service.reserve("anna", "stack 1", 60)
    lab.pass_time(60)
    assert lab.service.get(reservation.id).state is ACTIVE
    lab.pass_time(1)
    assert (lab.service.get(reservation.id).state, errors) == (ENDED, [])


def test_listener_that_does_not_finish_cannot_keep_the_stacks(lab: ReservationLab) -> None:
    lab.service.on_end(lambda _: False)
    reservation = lab.service.reserve("anna", "stack 1", 60)
    lab.pass_time(60)
    lab.pass_time(61)
    assert lab.service.get(reservation.id).state is ENDED


def test_reservation_without_renewal_ends(lab: ReservationLab) -> None:
    reservation = lab.service.reserve("anna", "stack 1", 1200, lease_seconds=60)
    for _ in range(3):
        lab.pass_time(59)
        lab.service.renew(reservation.id, "anna")
    lab.pass_time(60)
    ended = lab.service.get(reservation.id)
    assert (ended.state, ended.end_reason) == (ENDED, "not renewed for 60 s")


def test_reservation_is_extended_unless_others_wait(lab: ReservationLab) -> None:
    reservation = lab.service.reserve("anna", "stacks 1-3", 1200)
    extended = lab.service.extend(reservation.id, 600, "anna")
    assert lab.service.seconds_left(extended) == 1800
    lab.service.reserve("ben", "stack 3", 60)
    with pytest.raises(ReservationRefusedError, match="ben waits for these stacks"):
        lab.service.extend(reservation.id, 600, "anna")


def test_only_the_owner_and_an_admin_hand_back(lab: ReservationLab) -> None:
    first, second = (lab.service.reserve("anna", f"stack {stack}", 60) for stack in (1, 2))
    with pytest.raises(ReservationRefusedError, match="belongs to anna"):
        lab.service.hand_back(first.id, "ben")
    assert lab.service.hand_back(first.id, "anna").end_reason == "handed back"
    ended = lab.service.hand_back(second.id, "root", is_admin=True)
    assert (ended.state, ended.end_reason) == (ENDED, "handed back by root")
    with pytest.raises(ReservationRefusedError, match="has already ended: handed back"):
        lab.service.hand_back(first.id, "anna")


def test_admin_takes_over_an_active_reservation(lab: ReservationLab) -> None:
    reservation = lab.service.reserve("anna", "stack 1", 60, lease_seconds=10)
    lab.service.take_over(reservation.id, "root")
    with pytest.raises(StackReservedError, match="reserved for root"):
        lab.service.require_access([1], "anna")
    lab.pass_time(59)
    assert lab.service.active(reservation.id) is not None
    lab.pass_time(1)
    assert lab.service.active(reservation.id) is None


def test_reservations_continue_after_a_restart(lab: ReservationLab) -> None:
    active = lab.service.reserve("anna", "3 stacks", 1200, lease_seconds=60)
    queued = lab.service.reserve("ben", "2 stacks", 60)
    lab.wall += 10_000  # the clock is set: only the time since the boot counts
    lab.monotonic += 1000
    restarted = lab.restart()
    assert restarted.seconds_left(restarted.get(active.id)) == 200
    assert restarted.get(queued.id).state is QUEUED
    lab.pass_time(59)
    assert restarted.active(active.id) is not None  # the lease starts again
    lab.pass_time(1)
    assert restarted.active(active.id) is None


def test_reservation_continues_after_a_reboot_of_the_master(lab: ReservationLab) -> None:
    reservation = lab.service.reserve("anna", "3 stacks", 1200)
    lab.boot_id, lab.monotonic = "second boot", 10.0
    lab.wall += 300
    restarted = lab.restart()
    assert restarted.seconds_left(restarted.get(reservation.id)) == 900


def test_end_follows_a_clock_that_is_set(lab: ReservationLab) -> None:
    reservation = lab.service.reserve("anna", "3 stacks", 1200)
    lab.wall += 3600
    lab.pass_time(200)
    moved = lab.service.get(reservation.id)
    assert moved.ends_at == pytest.approx(lab.wall + 1000)
    lab.boot_id, lab.monotonic = "second boot", 10.0
    lab.wall += 300
    restarted = lab.restart()
    assert restarted.seconds_left(restarted.get(reservation.id)) == pytest.approx(700)


def test_wrong_selection_and_unknown_reservation_are_refused(lab: ReservationLab) -> None:
    with pytest.raises(SelectionError):
        lab.service.reserve("anna", "5 stacks", 60)
    with pytest.raises(SelectionError):
        lab.service.reserve("anna", "three stacks", 60)
    with pytest.raises(UnknownReservationError):
        lab.service.renew(7, "anna")


@pytest.mark.parametrize(
    ("selection", "seconds", "problem"),
    [
        ("4 stacks", 60, "quota class allows 3 stacks at the same time: request fewer"),
        ("1 stack", 1201, "quota class allows 20 min for a reservation: request less time"),
    ],
)
def test_quota_limits_each_member(
    lab: ReservationLab, selection: str, seconds: float, problem: str
) -> None:
    lab.service.quotas.save(Quota("class", ("student-*",), stacks=3, seconds=1200))
    for owner in ("student-7", "token:student-7"):
        with pytest.raises(ReservationRefusedError, match=problem):
            lab.service.reserve(owner, selection, seconds)
    lab.service.reserve("student-7", selection, seconds, has_quota=False)
    lab.service.reserve("anna", selection, seconds)


def test_quota_counts_all_reservations_of_a_member_and_extensions(lab: ReservationLab) -> None:
    lab.service.quotas.save(Quota("class", ("*",), stacks=3, seconds=1200))
    reservation = lab.service.reserve("ben", "2 stacks", 600)
    with pytest.raises(ReservationRefusedError, match="ben already has or waits for 2"):
        lab.service.reserve("ben", "2 stacks", 600)
    lab.service.extend(reservation.id, 600, "ben")
    with pytest.raises(ReservationRefusedError, match="allows 20 min"):
        lab.service.extend(reservation.id, 1, "ben")
