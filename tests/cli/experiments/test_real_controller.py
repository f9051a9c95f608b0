"""Experiments with a real controller and a virtual rack."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from rack.database import Database
from tests.cli.experiments.test_run_commands import CLIENT
from tests.controller.api_client import OrderClient
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.forked_program import run_program

pytestmark = pytest.mark.process

ORDERS = "boot_seconds = 60\nshutdown_seconds = 30\ndisk_settle_seconds = 0\n"
PLAN = """
nodes = "2 stacks"
client = "./load loses {nodes} {history}"
check = "set"

[place.leader]
command = "./leader {nodes}"

[[probe]]
command = "./ready {nodes}"

[[fault]]
kind = "power"
pick = "leader"
at = "4..5 s"
off = "0.5..1 s"
"""


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(tmp_path_factory.mktemp("rack"), orders=ORDERS, boot_seconds=0.5) as process:
        process.start_blackbox()
        process.start_prometheus()
        process.wait_until_up()
        yield process


@pytest.fixture(scope="module")
def controller(rack_process: RackProcess) -> ControllerProcess:
    return rack_process.start_controller()


@pytest.fixture
def environment(
    rack_process: RackProcess, controller: ControllerProcess, tmp_path: Path
) -> dict[str, str]:
    tokens = Tokens(Database(rack_process.state_folder / "pirack.db"))
    return {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "PIRACK_URL": controller.url,
        "PIRACK_TOKEN": tokens.add(tmp_path.name, Role.OPERATOR),
    }


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    programs = {
        "load": CLIENT,
        "leader": "#!/bin/sh\necho $2\n",
        "ready": "#!/bin/sh\ntest $# = 2 || test $# = 4\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    file = tmp_path / "raft.toml"
    file.write_text(PLAN)
    return file


def pirack(
    environment: dict[str, str], *arguments: str, status: int = 0
) -> subprocess.CompletedProcess[str]:
    completed = run_program("cli", ["experiment", *arguments], environment=environment)
    assert completed.returncode == status, completed.stdout + completed.stderr
    return completed


def test_run_cuts_the_power_of_the_place_and_replay_of_the_recorded_place(
    environment: dict[str, str], rack_process: RackProcess, plan: Path, tmp_path: Path
) -> None:
    [first, *_] = pirack(environment, "run", str(plan), "--seeds", "7").stdout.splitlines()
    assert first == "1 ok"
    folder = tmp_path / ".local" / "share" / "pirack" / "experiments" / "1"
    run = json.loads((folder / "run.json").read_text())
    assert (run["state"], run["verdict"]["result"]) == ("done", "ok")
    [fault] = run["plan"]["faults"]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    edges = [(event["stack"], event["is_on"]) for event in events if event["kind"] == "edge"]
    assert edges == [(fault["stacks"][0], False), (fault["stacks"][0], True)]
    (tmp_path / "leader").write_text("#!/bin/sh\necho $1\n")  # the place is elsewhere now
    pirack(environment, "replay", "1")
    replay = json.loads((folder.parent / "2" / "run.json").read_text())
    assert (replay["replay_of"], replay["plan"]["faults"]) == (1, [fault])
    assert rack_process.power == ["on", "on", "on"]


def test_wrong_plans_are_one_line(environment: dict[str, str], plan: Path) -> None:
    for text, problem in (
        (PLAN.replace("2 stacks", "9 stacks"), "raft.toml: nodes: "),
        (PLAN.replace('pick = "leader"', 'pick = "09-9"'), "raft.toml: fault[1].pick: "),
        (PLAN.replace('at = "4..5 s"', ""), "raft.toml: fault[1].at: "),
    ):
        plan.write_text(text)
        completed = pirack(environment, "run", str(plan), status=2)
        [line] = completed.stderr.splitlines()
        assert line.startswith(f"pirack: {problem}"), line


def test_order_of_another_user_on_a_reserved_stack_is_refused_with_who_has_it(
    environment: dict[str, str], rack_process: RackProcess, controller: ControllerProcess
) -> None:
    anna = OrderClient(rack_process, controller, "anna")
    reserved = anna.request("POST", "reservations", selection="stack 3", seconds=600).json()
    command = ["power", "cycle", "3", "--force", "--yes"]
    completed = run_program("cli", command, environment=environment)
    assert completed.returncode == 3
    assert "stack 03 is reserved for token:anna until " in completed.stderr
    assert f"(reservation {reserved['id']})" in completed.stderr
    anna.run_order("stacks", ids=[3], action="power_on")
    anna.request("DELETE", f"reservations/{reserved['id']}")
