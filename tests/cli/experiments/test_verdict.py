"""Verdicts of checks on the user's machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.experiments.duties import ClientStatus
from cli.experiments.user_process import UserProcess
from cli.experiments.verdict import CommandCheck, ThreadCheck, Verdict, client_problem
from tests.helpers.fake_clock import FakeClock
from tests.helpers.waiting import wait_until

STOPPED = ClientStatus(is_started=True, exit_status=0, stopping_seconds=1.0)


def command_verdict(tmp_path: Path, script: str) -> Verdict | None:
    process = UserProcess(["/bin/sh", "-c", script], tmp_path, tmp_path / "check")
    check = CommandCheck(process)
    wait_until(check.poll)
    return check.poll()


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("echo linearizable", Verdict("ok", "linearizable")),
        ("true", Verdict("ok")),
        ("echo G0 >&2; exit 1", Verdict("failed", "exit status 1 of the check: G0")),
        ("exit 4", Verdict("failed", "exit status 4 of the check")),
        ("kill -9 $$", Verdict("unknown", "ended by SIGKILL of the check")),
    ],
)
def test_exit_status_of_a_command_is_the_verdict(
    tmp_path: Path, script: str, verdict: Verdict
) -> None:
    assert command_verdict(tmp_path, script) == verdict


@pytest.mark.process
def test_check_that_takes_too_long_is_killed_and_unknown(tmp_path: Path) -> None:
    clock = FakeClock()
    process = UserProcess(["/bin/sleep", "1000"], tmp_path, tmp_path / "check")
    check = CommandCheck(process, clock=clock)
    assert check.poll() is None
    clock.now += 901
    assert check.poll() == Verdict("unknown", "the check took more than 900 s")
    assert process.poll() is not None


def test_check_in_a_thread_returns_its_verdict() -> None:
    check = ThreadCheck(lambda: Verdict("lost", "1 of 2"))
    wait_until(check.poll)
    assert check.poll() == Verdict("lost", "1 of 2")
    check.close()


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        (STOPPED, ""),
        (replace(STOPPED, exit_status=-15), ""),
        (replace(STOPPED, stopping_seconds=None), ""),
        (
            replace(STOPPED, exit_status=3, stopping_seconds=None),
            "the client crashed, exit status 3: no route",
        ),
        (
            replace(STOPPED, exit_status=-9),
            "the client ignored SIGTERM for 30 s and was killed",
        ),
        (
            ClientStatus(),
            "the client was not started, because the run ended before its faults",
        ),
    ],
)
def test_history_of_a_client_that_did_not_end_well_is_not_checked(
    client: ClientStatus, problem: str
) -> None:
    assert client_problem(client, "", "no route") == problem


def test_client_that_cannot_be_started_is_a_problem() -> None:
    client = ClientStatus(is_started=True, exit_status=127)
    assert client_problem(client, "client: ./load is missing", "") == "client: ./load is missing"
