"""So often at once, and then once in so many seconds."""

import pytest

from controller.auth.rate_limit import PasswordRateLimiter, RateLimiter, client_network


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_some_may_try_at_once_and_then_one_at_a_time() -> None:
    clock = FakeClock()
    attempts = RateLimiter(burst=3, interval=10, clock=clock)
    assert [attempts.hit("alice") for _ in range(5)] == [0, 0, 0, 10, 10]
    clock.now += 9.5
    assert attempts.hit("alice") == 1
    clock.now += 0.5
    assert [attempts.hit("alice"), attempts.hit("alice")] == [0, 10]


def test_after_a_rest_all_attempts_are_there_again() -> None:
    clock = FakeClock()
    attempts = RateLimiter(burst=3, interval=10, clock=clock)
    for _ in range(3):
        attempts.hit("alice")
    clock.now += 30
    assert [attempts.hit("alice") for _ in range(4)] == [0, 0, 0, 10]


def test_one_does_not_wait_for_another() -> None:
    attempts = RateLimiter(burst=1, interval=10, clock=FakeClock())
    assert [attempts.hit("alice"), attempts.hit("bob"), attempts.hit("alice")] == [0, 0, 10]


def test_what_was_no_attempt_is_given_back() -> None:
    attempts = RateLimiter(burst=1, interval=10, clock=FakeClock())
    attempts.hit("alice")
    attempts.refund("alice")
    assert [attempts.hit("alice"), attempts.hit("alice")] == [0, 10]


def test_a_flood_of_names_takes_bounded_memory_and_frees_nobody_who_waits() -> None:
    attempts = RateLimiter(burst=5, interval=60, capacity=100, clock=FakeClock())
    for _ in range(5):
        attempts.hit("alice")
    for i in range(10_000):
        attempts.hit(f"nobody-{i}")
    assert len(attempts._full_at) == 100
    assert attempts.hit("alice") == 60


def test_a_user_is_guarded_from_all_addresses_and_all_users_from_one() -> None:
    attempts = PasswordRateLimiter(clock=FakeClock())
    assert [attempts.hit("alice", f"10.0.0.{i}") for i in range(6)] == [0, 0, 0, 0, 0, 60]
    assert [attempts.hit(f"user-{i}", "10.0.1.1") for i in range(21)] == [0] * 20 + [10]


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
    assert (client_network(one) == client_network(other)) is is_same
