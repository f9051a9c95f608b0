"""So often at once, and then once in so many seconds."""

import pytest

from controller.attempts import Attempts, PasswordAttempts, network


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_some_may_try_at_once_and_then_one_at_a_time() -> None:
    clock = Clock()
    attempts = Attempts(at_once=3, seconds_each=10, clock=clock)
    assert [attempts.take("alice") for _ in range(5)] == [0, 0, 0, 10, 10]
    clock.now += 9.5
    assert attempts.take("alice") == 1
    clock.now += 0.5
    assert [attempts.take("alice"), attempts.take("alice")] == [0, 10]


def test_after_a_rest_all_attempts_are_there_again() -> None:
    clock = Clock()
    attempts = Attempts(at_once=3, seconds_each=10, clock=clock)
    for _ in range(3):
        attempts.take("alice")
    clock.now += 30
    assert [attempts.take("alice") for _ in range(4)] == [0, 0, 0, 10]


def test_one_does_not_wait_for_another() -> None:
    attempts = Attempts(at_once=1, seconds_each=10, clock=Clock())
    assert [attempts.take("alice"), attempts.take("bob"), attempts.take("alice")] == [0, 0, 10]


def test_what_was_no_attempt_is_given_back() -> None:
    attempts = Attempts(at_once=1, seconds_each=10, clock=Clock())
    attempts.take("alice")
    attempts.give_back("alice")
    assert [attempts.take("alice"), attempts.take("alice")] == [0, 10]


def test_a_flood_of_names_takes_bounded_memory_and_frees_nobody_who_waits() -> None:
    attempts = Attempts(at_once=5, seconds_each=60, capacity=100, clock=Clock())
    for _ in range(5):
        attempts.take("alice")
    for i in range(10_000):
        attempts.take(f"nobody-{i}")
    assert len(attempts._forgotten_at) == 100
    assert attempts.take("alice") == 60


def test_a_user_is_guarded_from_all_addresses_and_all_users_from_one() -> None:
    attempts = PasswordAttempts(clock=Clock())
    assert [attempts.take("alice", f"10.0.0.{i}") for i in range(6)] == [0, 0, 0, 0, 0, 60]
    assert [attempts.take(f"user-{i}", "10.0.1.1") for i in range(21)] == [0] * 20 + [10]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "", True),
    ],
)
def test_an_ipv6_network_counts_as_one_guest(one: str, other: str, is_same: bool) -> None:
    assert (network(one) == network(other)) is is_same
