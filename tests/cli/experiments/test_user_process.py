"""Processes of a plan's commands."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.experiments.user_command import UserCommandError
from cli.experiments.user_process import UserProcess, describe_exit, last_line
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

StartCommand = Callable[..., UserProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartCommand]:
    """Start a shell script as a command of a plan."""
    processes: list[UserProcess] = []

    def start(script: str, **environment: str) -> UserProcess:
        command = ["/bin/sh", "-c", script]
        processes.append(UserProcess(command, tmp_path, tmp_path / "client", environment))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_output_is_written_to_files_and_the_exit_status_is_returned(start: StartCommand) -> None:
    process = start("echo one; echo two; echo $COLOR in $PWD >&2; exit 3", COLOR="red")
    wait_until(lambda: process.poll() is not None)
    assert process.poll() == 3
    assert process.stdout_file.read_text() == "one\ntwo\n"
    assert last_line(process.stdout_file) == "two"
    assert last_line(process.stderr_file) == f"red in {process.stderr_file.parent}"


def test_process_can_complete_its_work_after_stop(start: StartCommand) -> None:
    process = start("trap 'echo final read; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    wait_until(lambda: last_line(process.stdout_file) == "ready")
    assert process.stopping_seconds is None
    process.stop()
    wait_until(lambda: process.poll() is not None)
    assert process.poll() == 0
    assert last_line(process.stdout_file) == "final read"


def test_process_that_ignores_sigterm_can_be_killed(start: StartCommand) -> None:
    process = start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    wait_until(lambda: last_line(process.stdout_file) == "ready")
    process.stop()
    wait_until(lambda: (process.stopping_seconds or 0) > 0.2)
    assert process.poll() is None
    process.kill()
    assert process.poll() == -signal.SIGKILL


def test_children_end_with_their_command(start: StartCommand) -> None:
    process = start("sleep 1000 & echo $!")
    wait_until(lambda: process.poll() is not None)
    child = int(last_line(process.stdout_file))
    wait_until(lambda: not is_running(child))


def test_missing_program_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserCommandError) as error:
        UserProcess(["./lod"], tmp_path, tmp_path / "client")
    assert str(error.value) == "./lod cannot be started: No such file or directory"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is a system call of Linux")
def test_command_gets_sigterm_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path;"
        "from cli.experiments.user_process import UserProcess;"
        "folder = Path(sys.argv[1]);"
        "UserProcess(['/bin/sh', '-c', 'echo $$; exec sleep 1000'], folder, folder / 'client');"
        "time.sleep(1000)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    try:
        output = tmp_path / "client.stdout"
        wait_until(lambda: output.exists() and last_line(output))
        child = int(last_line(output))
        assert os.getpgid(child) == child
    finally:
        parent.kill()
        parent.wait(TIMEOUT_SECONDS)
    wait_until(lambda: not is_running(child))


def test_end_by_a_signal_is_named() -> None:
    assert describe_exit(3) == "exit status 3"
    assert describe_exit(-9) == "ended by SIGKILL"
