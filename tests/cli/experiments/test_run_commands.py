"""Commands that run experiments, against a controller whose runs go through given states."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cli.conftest import RunPirack
from tests.cli.experiments.scripted_controller import ScriptedController
from tests.cli.terminal import PIRACK, Terminal
from tests.controller.running_server import running_server
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

CLIENT = """#!/usr/bin/env python3
import json, os, signal, sys, time
loses = sys.argv[1]
start, stopped, values = int(os.environ["PIRACK_START_NS"]), [], []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
with open(sys.argv[-1], "a") as history:
    def append(kind, f, value):
        time_ns = time.monotonic_ns() - start
        line = {"type": kind, "process": 0, "f": f, "value": value, "time": time_ns}
        history.write(json.dumps(line) + "\\n")
        history.flush()
    while not stopped:
        append("invoke", "add", len(values))
        append("ok", "add", len(values))
        values.append(len(values))
        time.sleep(0.01)
    append("invoke", "read", None)
    lost = 3 if os.path.exists(loses) else 0
    append("ok", "read", values[: len(values) - lost])
"""
PLAN = """
nodes = "2 stacks"
client = "./load loses {nodes} {history}"
check = "set"

[place.leader]
command = "./leader {nodes}"

[[fault]]
kind = "power"
pick = "leader"
at = "1..4 s"
off = "1..2 s"
"""


@pytest.fixture
def controller() -> ScriptedController:
    return ScriptedController()


@pytest.fixture
def url(controller: ScriptedController) -> Iterator[str]:
    with running_server(controller.app) as url:
        yield url


@pytest.fixture
def write_program(tmp_path: Path) -> Callable[[str, str], Path]:
    def write_program(name: str, text: str) -> Path:
        program = tmp_path / name
        program.write_text(text)
        program.chmod(0o755)
        return program

    return write_program


@pytest.fixture
def plan(tmp_path: Path, write_program: Callable[[str, str], Path]) -> Path:
    write_program("load", CLIENT)
    write_program("leader", "#!/bin/sh\necho $2\n")
    file = tmp_path / "raft.toml"
    file.write_text(PLAN)
    return file


def records(tmp_path: Path) -> Path:
    return tmp_path / ".local" / "share" / "pirack" / "experiments"


def lines(completed: subprocess.CompletedProcess[str], status: int = 0) -> list[str]:
    """Return the lines on standard output of a command with this exit status."""
    assert completed.returncode == status, completed.stdout + completed.stderr
    return completed.stdout.splitlines()


def error(completed: subprocess.CompletedProcess[str], status: int) -> str:
    """Return the only line of a command that failed."""
    assert (completed.returncode, completed.stdout) == (status, ""), completed.stdout
    [line] = completed.stderr.splitlines()
    return line


def test_run_reserves_loads_answers_checks_and_hands_back(
    run: RunPirack, controller: ScriptedController, plan: Path, tmp_path: Path
) -> None:
    controller.run_requests = [
        {"id": 1, "kind": "place", "name": "leader", "command": "", "deadline": 30.0}
    ]
    completed = run("experiment", "run", str(plan), "--seeds", "7")
    assert lines(completed)[0] == "1 ok"
    [reservation] = controller.bodies("reserve")
    assert (reservation["selection"], reservation["seconds"]) == ("2 stacks", 300)
    assert controller.bodies("start")[0]["seed"] == 7
    assert controller.answers() == [{"id": 1, "nodes": ["02-1"], "detail": ""}]
    [verdict] = controller.bodies("verdict")
    acknowledged = sum(rate["ok"] for rate in controller.rates().values()) - 1  # the final read
    assert verdict["result"] == "ok"
    assert verdict["summary"] == f"{acknowledged} acknowledged writes, none lost"
    assert len(controller.bodies("hand back")) == 1
    assert completed.stderr == f"pirack: run 1, seed 7: ok: {verdict['summary']}\n"
    folder = records(tmp_path) / "1"
    assert {file.name for file in folder.iterdir()} == {
        *("plan.toml", "plan.json", "plan-folder.txt", "run.json", "events.jsonl"),
        *("history.jsonl", "history.edn", "metrics.openmetrics", "client.json"),
        *("client.stdout", "client.stderr", "place-1.stdout", "place-1.stderr"),
        "ro-crate-metadata.json",
    }
    assert (folder / "plan.toml").read_text() == PLAN
    assert json.loads((folder / "run.json").read_text())["state"] == "done"
    client = json.loads((folder / "client.json").read_text())
    assert (client["exit_status"], client["origin_error"] < 1) == (0, True)


def test_runs_stop_after_the_first_loss(
    run: RunPirack, controller: ScriptedController, plan: Path, tmp_path: Path
) -> None:
    (tmp_path / "loses").write_text("")
    completed = run("experiment", "run", str(plan), "--seeds", "3-5", "--until-lost")
    first = lines(completed, status=1)[0]
    assert first.startswith("1 LOST: seed 3, 3 of ")
    assert "acknowledged writes, " in first
    assert len(controller.runs) == 1


def test_all_seeds_run_on_one_reservation_that_is_extended(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    completed = run("experiment", "run", str(plan), "--seeds", "1-2")
    assert lines(completed)[0] == "2 ok"
    assert len(controller.bodies("reserve")) == len(controller.bodies("extend")) == 1


def test_stacks_are_reserved_again_if_others_wait_for_them(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    controller.may_extend = False
    lines(run("experiment", "run", str(plan), "--seeds", "1-2"))
    assert [run["seed"] for run in controller.runs] == [1, 2]
    assert len(controller.bodies("reserve")) == len(controller.bodies("hand back")) == 2


def test_place_in_the_queue_is_shown(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    controller.queue_length = 2
    completed = run("experiment", "run", str(plan))
    lines(completed)
    assert completed.stderr.splitlines()[:2] == [
        "pirack: queued: 2nd, about 20 min",
        "pirack: queued: 1st, about 20 min",
    ]


def test_own_reservation_is_used_and_kept(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    with controller.app.test_client() as client:
        client.post("/api/v1.0/reservations", json={"selection": "2 stacks", "seconds": 1200})
    lines(run("experiment", "run", str(plan)))
    assert controller.bodies("start")[0]["reservation"] == 1
    assert (len(controller.bodies("reserve")), controller.bodies("hand back")) == (1, [])


def test_reservation_of_another_command_is_not_used(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    other = {"selection": "2 stacks", "seconds": 1200, "lease_seconds": 60}
    with controller.app.test_client() as client:
        client.post("/api/v1.0/reservations", json=other)
    lines(run("experiment", "run", str(plan)))
    assert controller.bodies("start")[0]["reservation"] == 2


@pytest.mark.parametrize("command", ["run", "plan"])
def test_wrong_plan_is_one_line_of_the_controller(
    run: RunPirack, controller: ScriptedController, plan: Path, command: str
) -> None:
    plan.write_text(f"nods = 3\n{PLAN}")
    message = error(run("experiment", command, str(plan)), status=2)
    assert message == "pirack: raft.toml: nods: unknown key: remove it"
    assert not controller.reservations


def test_plan_file_that_does_not_exist_is_one_line(run: RunPirack, tmp_path: Path) -> None:
    missing = tmp_path / "raft.toml"
    for command in ("run", "plan"):
        assert error(run("experiment", command, str(missing)), status=2) == (
            f"pirack: cannot read {missing}: No such file or directory: correct the path"
        )


def test_client_that_does_not_exist_is_one_line_before_anything_is_reserved(
    run: RunPirack, controller: ScriptedController, plan: Path, tmp_path: Path
) -> None:
    (tmp_path / "load").unlink()
    assert error(run("experiment", "run", str(plan)), status=2) == (
        f"pirack: raft.toml: client: ./load does not exist in {tmp_path}: correct the path"
    )
    assert not controller.reservations


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "#!/bin/sh\necho no route >&2\nexit 3\n",
            "the client crashed, exit status 3: no route",
        ),
        ("no program", "client: ./load cannot be started: Exec format error"),
    ],
)
def test_crash_of_the_client_stops_the_run(
    run: RunPirack,
    controller: ScriptedController,
    plan: Path,
    write_program: Callable[[str, str], Path],
    text: str,
    problem: str,
) -> None:
    write_program("load", text)
    completed = run("experiment", "run", str(plan))
    assert lines(completed, status=1) == [f"1 unknown: seed 1, {problem}"]
    assert len(controller.bodies("stop")) == 1
    assert controller.runs[0]["state"] == "aborted"


@pytest.mark.verify
def test_client_that_ignores_sigterm_is_killed_and_the_result_is_unknown(
    run: RunPirack, plan: Path, write_program: Callable[[str, str], Path]
) -> None:
    write_program(
        "load",
        "#!/bin/sh\ntrap '' TERM\nfor history; do :; done\n"
        """echo '{"type": "ok", "time": 0}' >"$history"\nwhile :; do sleep 0.1; done\n""",
    )
    assert lines(run("experiment", "run", str(plan)), status=1) == [
        "1 unknown: seed 1, the client ignored SIGTERM for 30 s and was killed"
    ]


@pytest.mark.usefixtures("default_sighup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_the_run_the_client_and_the_reservation(
    controller: ScriptedController,
    plan: Path,
    url: str,
    environment: dict[str, str],
    number: signal.Signals,
    tmp_path: Path,
) -> None:
    controller.states = ("steady", *["faults"] * 1000)
    process = subprocess.Popen(
        [PIRACK, "experiment", "run", plan, "--seeds", "1-5"],
        env={"PIRACK_URL": url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(controller.rates)
        process.send_signal(number)
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 130
    assert output == "1 unknown: seed 1, stopped\n"
    assert errors.splitlines() == [
        "pirack: stopping the run safely; press Ctrl-C again to leave at once",
        "pirack: run 1, seed 1: unknown: stopped",
    ]
    assert len(controller.bodies("stop")) == len(controller.bodies("hand back")) == 1
    history = (records(tmp_path) / "1" / "history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["f"] == "read"  # the client ended by itself


def test_terminal_shows_the_progress_and_then_only_the_result(
    on_terminal: Callable[..., Terminal], plan: Path, url: str
) -> None:
    terminal = on_terminal("--url", url, "experiment", "run", str(plan))
    terminal.read_until("run 1, seed 1: injects faults")
    assert "raft.toml\x1b[0m: 1 of 1" in terminal.output
    output = terminal.read_all()
    assert terminal.process.returncode == 0
    assert output.splitlines()[-2].endswith("1 ok")


def test_json_is_the_list_of_runs(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    completed = run("experiment", "run", str(plan), "--json")
    assert json.loads(completed.stdout) == controller.runs


def test_replay_runs_the_commands_in_the_folder_of_the_plan_file(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    lines(run("experiment", "run", str(plan), "--seeds", "7"))
    assert lines(run("experiment", "replay", "1"))[0] == "1 ok"
    assert controller.bodies("reserve")[1]["selection"] == "stacks 1 2"
    replay = controller.bodies("start")[1]
    assert (replay["replay_of"], replay["seed"], replay["text"]) == (1, 7, PLAN)


def test_commands_of_a_foreign_run_have_to_be_confirmed(
    run: RunPirack,
    controller: ScriptedController,
    plan: Path,
    url: str,
    environment: dict[str, str],
) -> None:
    lines(run("experiment", "run", str(plan)))
    environment["XDG_DATA_HOME"] = str(plan.parent / "elsewhere")
    completed = subprocess.run(
        [PIRACK, "experiment", "replay", "1"],
        env={"PIRACK_URL": url, **environment},
        cwd=plan.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert error(completed, status=2) == (
        f"pirack: run 1 of token:cli runs commands in {plan.parent}: confirm with --yes"
    )
    assert error(run("experiment", "replay", "1", "--yes"), status=2) == (
        f"pirack: raft.toml: client: ./load does not exist in {Path.cwd()}: correct the path"
    )
    assert len(controller.runs) == 1


def test_runs_can_be_listed_shown_compared_and_exported(
    run: RunPirack, controller: ScriptedController, plan: Path, tmp_path: Path
) -> None:
    lines(run("experiment", "run", str(plan), "--seeds", "7"))
    [header, row] = lines(run("experiment", "list"))
    assert header.split()[:2] == ["RUN", "STARTED"]
    assert row.split()[0] == "1"
    assert row.endswith(controller.runs[0]["verdict"]["summary"])
    shown = lines(run("experiment", "show", "1"))
    assert shown[0].startswith("run 1: raft, seed 7: done, ok: ")
    assert f"record     {records(tmp_path) / '1'}" in shown
    assert any(line.endswith("stack 01 is off") for line in shown)
    assert "energy     at least 0.025 Wh" in shown
    assert "01     not measured" in shown
    assert "02     0.025 Wh      02-1 0.025 Wh" in shown
    events = json.loads(run("experiment", "show", "1", "--json").stdout)["events"]
    assert events == controller.events[1]
    archive = tmp_path / "bug.zip"
    assert lines(run("experiment", "export", "1", "-o", str(archive))) == [f"Wrote {archive}."]
    compared = lines(run("experiment", "compare", "1", str(archive)))
    assert any(line.split() == ["result", "state", "done", "done"] for line in compared)


def test_run_of_another_machine_is_exported_without_its_history(
    run: RunPirack, plan: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    lines(run("experiment", "run", str(plan)))
    environment["XDG_DATA_HOME"] = str(tmp_path / "elsewhere")
    archive = tmp_path / "bug.zip"
    assert lines(run("experiment", "export", "1", "-o", str(archive))) == [f"Wrote {archive}."]
    names = ZipFile(archive).namelist()
    assert {"plan.toml", "run.json", "events.jsonl", "metrics.openmetrics"} < set(names)
    assert "history.jsonl" not in names


def test_record_that_does_not_exist_is_one_line(run: RunPirack, tmp_path: Path) -> None:
    missing = tmp_path / "bug.zip"
    assert error(run("experiment", "compare", str(missing), str(missing)), status=2) == (
        f"pirack: {missing}: No such file or directory:"
        " name the folder of a run, or an archive of `pirack experiment export`"
    )


def test_stop_ends_a_run(run: RunPirack, controller: ScriptedController) -> None:
    request = {"file": "raft.toml", "text": PLAN, "seed": 1, "replay_of": None}
    with controller.app.test_client() as client:
        client.post("/api/v1.0/experiments", json=request)
    assert lines(run("experiment", "stop", "1")) == [
        "run 1: raft, seed 1: aborted, unknown: stopped by token:cli"
    ]


def test_plan_shows_what_goes_down(
    run: RunPirack, controller: ScriptedController, plan: Path
) -> None:
    assert lines(run("experiment", "plan", str(plan), "--seed", "7")) == [
        "raft, seed 7: 2 rasps of stacks 01 02, 8 s after the steady state",
        "FAULT  AT      KIND   OFF     RASPS",
        "1      2.50 s  power  1.25 s  01-1",
        "1 rasp goes down: 01-1",
        "plan 5e1f",
    ]
    assert not controller.runs
