"""Tests of rate limiting."""

import pytest

from controller.auth.rate_limit import PasswordRateLimiter, RateLimiter, client_network
from tests.helpers.fake_clock import FakeClock


def test_rate_limiter_allows_a_burst_then_one_attempt_per_interval() -> None:
    clock = FakeClock()
    limiter = RateLimiter(burst=3, interval=10, clock=clock)
    assert [limiter.hit("alice") for _ in range(5)] == [0, 0, 0, 10, 10]
    clock.now += 9.5
    assert limiter.hit("alice") == 1
    clock.now += 0.5
    assert [limiter.hit("alice"), limiter.hit("alice")] == [0, 10]


def test_rate_limiter_allows_a_full_burst_after_a_pause() -> None:
    clock = FakeClock()
    limiter = RateLimiter(burst=3, interval=10, clock=clock)
    for _ in range(3):
        limiter.hit("alice")
    clock.now += 30
    assert [limiter.hit("alice") for _ in range(4)] == [0, 0, 0, 10]


def test_rate_limiter_counts_each_key_separately() -> None:
    limiter = RateLimiter(burst=1, interval=10, clock=FakeClock())
    assert [limiter.hit("alice"), limiter.hit("bob"), limiter.hit("alice")] == [0, 0, 10]


def test_rate_limiter_refunds_an_attempt() -> None:
    limiter = RateLimiter(burst=1, interval=10, clock=FakeClock())
    limiter.hit("alice")
    limiter.refund("alice")
    assert [limiter.hit("alice"), limiter.hit("alice")] == [0, 10]


def test_rate_limiter_keeps_waiting_keys_when_its_capacity_is_reached() -> None:
    limiter = RateLimiter(burst=5, interval=60, capacity=100, clock=FakeClock())
    for _ in range(5):
        limiter.hit("alice")
    for i in range(10_000):
        limiter.hit(f"unknown-{i}")
    assert len(limiter._full_at) == 100
    assert limiter.hit("alice") == 60


def test_password_rate_limiter_limits_each_user_within_a_network() -> None:
    limiter = PasswordRateLimiter(clock=FakeClock())
    attempts = [limiter.hit("alice", "2001:db8:0:1::1") for _ in range(6)]
    assert attempts == [0, 0, 0, 0, 0, 60]
    assert limiter.hit("alice", "2001:db8:0:1::2") == 60
    assert limiter.hit("alice", "10.0.0.2") == 0
    assert limiter.hit("bob", "2001:db8:0:1::1") == 0


def test_password_rate_limiter_limits_each_network() -> None:
    limiter = PasswordRateLimiter(clock=FakeClock())
    assert [limiter.hit(f"user-{i}", "10.0.1.1") for i in range(21)] == [0] * 20 + [10]


def test_password_rate_limiter_counts_sessions_apart() -> None:
    limiter = PasswordRateLimiter(clock=FakeClock())
    for _ in range(6):
        limiter.hit("alice", "10.0.0.1")
    attempts = [limiter.hit("alice", "10.0.0.1", "session") for _ in range(6)]
    assert attempts == [0, 0, 0, 0, 0, 60]
    limiter.refund("alice", "10.0.0.1", "session")
    assert limiter.hit("alice", "10.0.0.1", "session") == 0
    assert limiter.hit("alice", "10.0.0.1", "another session") == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "", True),
    ],
)
def test_client_network_is_a_64_bit_network_for_ipv6(one: str, other: str, is_same: bool) -> None:
    assert (client_network(one) == client_network(other)) is is_same
