"""Aborts of runs. Each ends with power on all stacks, and with one line of reason."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.auth.access_control import AccessControl
from controller.experiments.client_link import LEASE_SECONDS, ClientAnswer
from controller.experiments.clocks import ClockOffset
from controller.experiments.model import EventKind, RunState
from tests.controller.experiments.run_lab import (
    MAX_RUN_SECONDS,
    OWNER,
    RunLab,
    plan_text,
    running_lab,
)
from tests.controller.fakes import FakeRackState
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.slow

LONG_CUT = 'kind = "power"\npick = "01"\nat = "0 s"\noff = "300 s"'


@pytest.fixture
def lab(tmp_path: Path, access: AccessControl, rack_state: FakeRackState) -> Iterator[RunLab]:
    with running_lab(tmp_path, access, rack_state) as lab:
        yield lab


def end_the_client(lab: RunLab) -> None:
    lab.is_client_alive = False
    time.sleep(0.3)  # a renewal that has begun
    lab.lease_clock.advance(LEASE_SECONDS)


def heat_a_rasp(lab: RunLab) -> None:
    lab.rack_state.temperatures["02-1"] = 90.5


def lower_the_voltage(lab: RunLab) -> None:
    lab.rack_state.conditions["02-2"] = "under_voltage"


def stop_the_run(lab: RunLab) -> None:
    lab.experiments.stop(lab.experiments.list_recent(1)[0].id, "anna")


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (end_the_client, "the client is gone: it sent no request for 10 s"),
        (heat_a_rasp, "02-1 is hot: 90.5 °C, more than abort.temperature = 90"),
        (lower_the_voltage, "02-2 has an under-voltage: check its power supply"),
        (stop_the_run, "stopped by anna"),
    ],
)
def test_power_returns_when_a_run_is_aborted_during_a_long_cut(
    lab: RunLab, cause: Callable[[RunLab], None], reason: str
) -> None:
    number = lab.start(plan_text(LONG_CUT))
    lab.wait_for_cut(1)
    cause(lab)
    wait_until(lambda: lab.is_on(1), MAX_RUN_SECONDS)  # long before the end of the cut
    run = lab.wait_for_end(number)
    assert (run.state, run.reason) == (RunState.ABORTED, reason)
    assert [event.text for event in lab.events(number, EventKind.ABORT)] == [reason]
    assert lab.is_on(1)
    assert lab.is_on(2)


def test_heat_and_under_voltage_of_other_rasps_do_not_abort_a_run(lab: RunLab) -> None:
    lab.rack_state.temperatures["03-1"] = 95.0
    lab.rack_state.conditions["03-2"] = "under_voltage"
    assert lab.wait_for_end(lab.start(plan_text())).state is RunState.DONE


def test_limits_of_the_plan_file_are_used(lab: RunLab) -> None:
    lab.rack_state.temperatures["01-1"] = 70.0
    lab.rack_state.conditions["01-2"] = "under_voltage"
    limits = "[abort]\nunder_voltage = false\ntemperature = {}"
    run = lab.wait_for_end(lab.start(plan_text(extra=limits.format("71.0"))))
    assert run.state is RunState.DONE
    run = lab.wait_for_end(lab.start(plan_text(extra=limits.format("69.0"))))
    assert "abort.temperature = 69" in run.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "the client did not name the rasps of leader"),
        (ClientAnswer(1, detail="exit status 1"), "leader is unknown: exit status 1"),
        (ClientAnswer(1, nodes=("03-1",)), "leader: "),
    ],
)
def test_place_that_is_not_resolved_aborts_the_run(
    lab: RunLab, answer: ClientAnswer | None, reason: str
) -> None:
    lab.answer = lambda _: answer
    number = lab.start(
        plan_text(
            'kind = "power"\npick = "leader"\nat = "0 s"\noff = "1 s"',
            extra='[place.leader]\ncommand = "./leader"',
        )
    )
    if answer is None:
        lab.wait_for(number, RunState.FAULTS)

    run = lab.wait_for_end(number)
    assert run.state is RunState.ABORTED
    assert run.reason.startswith(reason)
    assert not any(event.is_on is False for event in lab.events(number, EventKind.EDGE))


def test_steady_state_that_is_not_reached_aborts_the_run_before_a_fault(lab: RunLab) -> None:
    lab.answer = lambda request: ClientAnswer(request.id, ok=False, detail="exit status 1")
    probe = '[[probe]]\ncommand = "./ready {nodes}"'
    run = lab.wait_for_end(lab.start(plan_text(LONG_CUT, extra=probe)))
    assert run.state is RunState.ABORTED
    assert run.reason.startswith("the nodes are not in the steady state after 2 s: ")
    assert "`./ready {nodes}`: exit status 1" in run.reason
    assert not any(event.is_on is False for event in lab.events(run.id, EventKind.EDGE))


def test_prometheus_that_is_unreachable_is_no_steady_state(lab: RunLab) -> None:
    run = lab.wait_for_end(lab.start(plan_text(extra='[[probe]]\npromql = "up"')))
    assert run.state is RunState.ABORTED
    assert "Prometheus at http://127.0.0.1:1 cannot be reached" in run.reason


def test_rasp_that_does_not_come_back_aborts_the_run(lab: RunLab) -> None:
    number = lab.start(
        plan_text(
            'kind = "power"\npick = "01"\nat = "0 s"\noff = "1 s"',
            extra='[abort]\nboot_within = "2 s"',
        )
    )
    lab.wait_for_cut(1)
    lab.rack_state.state_values["01-2"] = 0.0
    run = lab.wait_for_end(number)
    assert run.state is RunState.ABORTED
    assert "01-2 is down" in run.reason
    assert lab.is_on(1)


@pytest.mark.parametrize(
    ("offset", "reason"),
    [
        (None, "the clock of 01-1 is unknown"),
        (ClockOffset(0.048, 0.052), "the clock of 01-1 is off by +50 ms (±2 ms)"),
    ],
)
def test_clock_that_is_not_within_the_bound_aborts_the_run(
    lab: RunLab, offset: ClockOffset | None, reason: str
) -> None:
    lab.clocks.offsets["01-1"] = offset
    run = lab.wait_for_end(lab.start(plan_text(LONG_CUT, extra='clock_offset = "50 ms"')))
    assert run.state is RunState.ABORTED
    assert run.reason == f"the clocks are not synchronized after 2 s: {reason}"
    assert not any(event.is_on is False for event in lab.events(run.id, EventKind.EDGE))


def test_run_waits_for_clocks_within_the_bound_and_records_their_offsets(lab: RunLab) -> None:
    lab.clocks.offsets["01-1"] = ClockOffset(2.0, 2.1)
    number = lab.start(plan_text(extra='clock_offset = "50 ms"', within="30 s"))
    wait_until(lambda: lab.states(number) == ["preparing"], MAX_RUN_SECONDS)
    lab.clocks.offsets["01-1"] = ClockOffset(0.0, 0.01)
    run = lab.wait_for_end(number)
    assert (run.state, run.reason) == (RunState.DONE, "")
    offsets = [event for event in lab.events(number, EventKind.CLOCK) if event.rasp == "01-1"]
    assert [event.text for event in offsets] == [
        "the clock of 01-1 is off by +5 ms (±5 ms)"
    ] * 2  # before the faults and after them


def test_reservation_that_is_handed_back_ends_the_run(lab: RunLab) -> None:
    reservation = lab.reservations.reserve(OWNER, "stacks 1-2", 600.0)
    number = lab.start(plan_text(LONG_CUT), reservation=reservation.id)
    lab.wait_for_cut(1)
    lab.reservations.hand_back(reservation.id, OWNER)
    run = lab.wait_for_end(number)
    assert run.state is RunState.ABORTED
    assert f"reservation {reservation.id}" in run.reason
    assert lab.is_on(1)


def test_reservation_that_an_admin_takes_over_ends_the_run(lab: RunLab) -> None:
    reservation = lab.reservations.reserve(OWNER, "stacks 1-2", 600.0)
    number = lab.start(plan_text(LONG_CUT), reservation=reservation.id)
    lab.wait_for_cut(1)
    lab.reservations.take_over(reservation.id, "admin")
    run = lab.wait_for(number, RunState.ABORTED)
    assert "admin" in run.reason
    assert lab.is_on(1)


def test_database_that_fails_during_a_cut_does_not_keep_the_power_off(lab: RunLab) -> None:
    number = lab.start(plan_text(LONG_CUT))
    lab.wait_for_cut(1)
    lab.rack_state.is_database_broken = True
    wait_until(lambda: lab.is_on(1), MAX_RUN_SECONDS)
    lab.rack_state.is_database_broken = False
    run = lab.wait_for_end(number)
    assert run.state is RunState.ABORTED
    assert "database disk image is malformed" in run.reason
