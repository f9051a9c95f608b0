"""What ping rounds and DHCP messages show about a cut."""

from collections.abc import Callable, Set
from dataclasses import replace

import pytest

from dhcp_installer.discovery.observations import Cut, CutEvidence, Observations
from dhcp_installer.discovery.strategy import PingRound
from tests.dhcp_installer.outlets import stack_outlet

HOLD_UP = 3.0
INTERVAL = 0.25
CUT = Cut((stack_outlet(1),), commanded_at=10.0, off_at=10.0, on_at=14.0)
RASP, OTHER = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"


def add_rounds(
    observations: Observations, start: float, end: float, replies: Callable[[float], Set[str]]
) -> None:
    """Add complete ping rounds. `replies` returns the rasps that reply at a time."""
    count = round((end - start) / INTERVAL)
    for started_at in (start + index * INTERVAL for index in range(count)):
        observations.add_round(
            PingRound(started_at, started_at, frozenset(replies(started_at)), started_at + INTERVAL)
        )


def observe(is_replying: Callable[[float], bool], *, end: float = 20.0) -> Observations:
    """Return observations from 5 s before the cut. The other rasp always replies."""
    observations = Observations(HOLD_UP)
    add_rounds(observations, 5, end, lambda time: {OTHER, RASP} if is_replying(time) else {OTHER})
    return observations


@pytest.mark.parametrize(
    "is_replying",
    [
        lambda time: time < 10.0,
        lambda time: time < 12.8,
        lambda time: time < 10.5 or 11.0 <= time < 12.0,
        lambda time: time < 9.8,
    ],
    ids=[
        "loses power at once",
        "has power for 2.8 s",
        "misses pings while it still has power",
        "misses a ping that was sent just before",
    ],
)
def test_rasp_that_is_silent_at_the_end_of_a_cut_agrees_with_it(
    is_replying: Callable[[float], bool],
) -> None:
    assert observe(is_replying).evidence(CUT) == CutEvidence(frozenset({OTHER}), frozenset({RASP}))


@pytest.mark.parametrize(
    "is_replying",
    [
        lambda _: True,
        lambda time: time < 10.5 or time >= 13.5,
        lambda time: time < 13.0 or time >= 13.25,
    ],
    ids=["does not miss a ping", "misses pings for 3 s", "misses one ping"],
)
def test_rasp_that_replies_when_its_stack_cannot_is_excluded(
    is_replying: Callable[[float], bool],
) -> None:
    assert observe(is_replying).evidence(CUT) == CutEvidence(frozenset({OTHER, RASP}))


def test_rasp_that_replies_before_it_had_time_to_boot_is_excluded() -> None:
    observations = observe(lambda time: time < 10 or time >= 16)
    assert observations.evidence(CUT).silent == {RASP}
    observations.shortest_boot = 3.0
    assert observations.evidence(CUT).excluded == {OTHER, RASP}


@pytest.mark.parametrize("silent_since", [8.0, 9.5])
def test_rasp_that_was_silent_before_a_cut_is_no_evidence(silent_since: float) -> None:
    observations = observe(lambda time: time < silent_since)
    assert observations.evidence(CUT) == CutEvidence(frozenset({OTHER}))


def test_rasp_that_loses_power_while_its_relay_is_switched_agrees_with_the_cut() -> None:
    observations = observe(lambda time: time < 9.5)
    slow_cut = replace(CUT, commanded_at=9.4)
    assert observations.evidence(slow_cut) == CutEvidence(frozenset({OTHER}), frozenset({RASP}))


def test_rasp_with_much_power_in_store_agrees_although_the_power_returned_before_four_rounds() -> (
    None
):
    observations = observe(lambda time: time < 12.9)
    assert observations.evidence(replace(CUT, on_at=13.0)).silent == {RASP}


def test_too_few_complete_rounds_show_nothing() -> None:
    observations = observe(lambda time: time < 10, end=12)
    assert observations.evidence(CUT) == CutEvidence(is_late=True)


def test_reply_in_a_late_round_excludes_no_rasp() -> None:
    """The ping may have been sent long after the round started, when the rasp had booted again."""
    observations = observe(lambda time: time < 10, end=13)
    observations.add_round(PingRound(13.0, 13.0, frozenset({RASP}), time=60.0))
    assert observations.evidence(CUT).excluded == set()


def test_cut_before_which_no_round_was_complete_shows_nothing() -> None:
    observations = Observations(HOLD_UP)
    add_rounds(observations, 10, 20, lambda _: {OTHER})
    assert observations.evidence(CUT) == CutEvidence(frozenset({OTHER}), is_late=True)


def test_rasp_that_sends_a_dhcp_message_when_its_stack_cannot_is_excluded() -> None:
    observations = observe(lambda time: time < 10, end=16)
    observations.shortest_boot = 3.0
    observations.add_dhcp_message(RASP, read_at=16.0)
    add_rounds(observations, 16, 20, lambda _: {OTHER})
    assert observations.evidence(CUT).excluded == {OTHER, RASP}


def test_late_dhcp_message_excludes_no_rasp() -> None:
    observations = observe(lambda time: time < 10, end=12)
    observations.add_dhcp_message(RASP, read_at=13.5)  # possibly sent at 11.75, with power in store
    add_rounds(observations, 13.5, 20, lambda _: {OTHER})
    assert RASP not in observations.evidence(CUT).excluded


def test_rasp_that_sends_dhcp_before_it_replies_has_rebooted() -> None:
    observations = observe(lambda time: time < 10)
    assert observations.has_rebooted(RASP, CUT) is None
    observations.add_dhcp_message(RASP, read_at=20.0)
    add_rounds(observations, 20, 21, lambda _: {OTHER, RASP})
    assert observations.has_rebooted(RASP, CUT) is True


def test_rasp_that_replies_again_without_dhcp_has_not_rebooted() -> None:
    observations = observe(lambda time: time < 10)
    add_rounds(observations, 20, 20.25, lambda _: {OTHER, RASP})
    assert observations.has_rebooted(RASP, CUT) is None  # the log may contain a line soon
    add_rounds(observations, 20.25, 23, lambda _: {OTHER, RASP})
    assert observations.has_rebooted(RASP, CUT) is False
    observations.add_dhcp_message(RASP, read_at=30.0)
    assert observations.has_rebooted(RASP, CUT) is False  # a renewal


def test_dhcp_message_that_reaches_the_log_after_the_first_reply_counts() -> None:
    observations = observe(lambda time: time < 10)
    add_rounds(observations, 20, 21, lambda _: {OTHER, RASP})
    observations.add_dhcp_message(RASP, read_at=21.0)
    add_rounds(observations, 21, 25, lambda _: {OTHER, RASP})
    assert observations.has_rebooted(RASP, CUT) is True


def test_rasp_that_misses_four_pings_became_silent_once() -> None:
    observations = observe(lambda time: time < 6 or 6.75 <= time < 8 or time >= 9)
    assert observations.silence_count(RASP) == 1
    assert observations.reachable == {OTHER, RASP}
    add_rounds(observations, 20, 21, lambda _: {OTHER})
    assert observations.silence_count(RASP) == 2
    assert observations.reachable == {OTHER}
