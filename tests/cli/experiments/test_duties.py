"""What the user's machine does at each state of a run."""

from dataclasses import replace

import pytest

from cli.experiments.duties import STOP_SECONDS, ClientStatus, Duty, Situation, next_duty

NOT_STARTED = ClientStatus()
RUNNING = ClientStatus(is_started=True)
STOPPING = replace(RUNNING, stopping_seconds=1.0)
STOPPED = replace(STOPPING, exit_status=0)
CRASHED = replace(RUNNING, exit_status=3)
FINISHED = replace(RUNNING, exit_status=0)


@pytest.mark.parametrize("state", ["waiting", "preparing", "steady"])
def test_client_waits_for_the_steady_state(state: str) -> None:
    assert next_duty(Situation(state, NOT_STARTED)) is Duty.WAIT


@pytest.mark.parametrize("state", ["faults", "recovery"])
def test_client_runs_from_the_first_fault_to_the_recovery(state: str) -> None:
    assert next_duty(Situation(state, NOT_STARTED)) is Duty.START_CLIENT
    assert next_duty(Situation(state, RUNNING)) is Duty.WAIT
    assert next_duty(Situation(state, FINISHED)) is Duty.WAIT
    assert next_duty(Situation(state, None)) is Duty.WAIT


@pytest.mark.parametrize("state", ["checking", "done", "aborted", "interrupted", "preparing"])
def test_client_is_stopped_and_then_killed_in_every_other_state(state: str) -> None:
    assert next_duty(Situation(state, RUNNING)) is Duty.STOP_CLIENT
    assert next_duty(Situation(state, STOPPING)) is Duty.WAIT
    late = replace(STOPPING, stopping_seconds=STOP_SECONDS + 1)
    assert next_duty(Situation(state, late)) is Duty.KILL_CLIENT


def test_check_starts_when_the_client_has_ended_and_its_verdict_is_sent_once() -> None:
    checking = Situation("checking", STOPPED)
    assert next_duty(checking) is Duty.START_CHECK
    checking = replace(checking, is_check_started=True)
    assert next_duty(checking) is Duty.WAIT
    checking = replace(checking, has_verdict=True)
    assert next_duty(checking) is Duty.SEND_VERDICT
    assert next_duty(replace(checking, is_verdict_sent=True)) is Duty.WAIT


def test_check_of_the_controller_is_left_to_the_controller() -> None:
    assert next_duty(Situation("checking", STOPPED, sends_verdict=False)) is Duty.WAIT
    assert next_duty(Situation("checking", RUNNING, sends_verdict=False)) is Duty.STOP_CLIENT


@pytest.mark.parametrize("state", ["faults", "recovery"])
def test_crash_of_the_client_stops_the_run_once(state: str) -> None:
    crashed = Situation(state, CRASHED)
    assert next_duty(crashed) is Duty.STOP_RUN
    assert next_duty(replace(crashed, is_stop_sent=True)) is Duty.WAIT


def test_exit_status_after_sigterm_is_no_crash() -> None:
    ended = replace(STOPPING, exit_status=-15)
    assert next_duty(Situation("checking", ended)) is Duty.START_CHECK


@pytest.mark.parametrize("state", ["waiting", "preparing", "steady", "faults", "checking"])
def test_wish_of_the_user_stops_the_run_in_every_state(state: str) -> None:
    situation = Situation(state, NOT_STARTED, is_stop_wanted=True)
    assert next_duty(situation) is Duty.STOP_RUN
    assert next_duty(replace(situation, is_stop_sent=True)) is not Duty.STOP_RUN


def test_stopped_run_starts_no_client() -> None:
    situation = Situation("faults", NOT_STARTED, is_stop_wanted=True, is_stop_sent=True)
    assert next_duty(situation) is Duty.WAIT


@pytest.mark.parametrize("state", ["done", "aborted", "interrupted"])
def test_run_is_finished_when_it_and_its_client_have_ended(state: str) -> None:
    assert next_duty(Situation(state, None, is_stop_wanted=True)) is Duty.FINISH
    assert next_duty(Situation(state, NOT_STARTED)) is Duty.FINISH
    assert next_duty(Situation(state, CRASHED)) is Duty.FINISH
