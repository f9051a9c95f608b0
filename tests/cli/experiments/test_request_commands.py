"""Answers to the controller's requests from commands of the plan file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.experiments.local_plan import LocalPlan, parse_local_plan
from cli.experiments.models import ApiRunRequest
from cli.experiments.request_commands import Answer, RequestCommands, named_nodes
from cli.experiments.user_command import Node
from tests.helpers.fake_clock import FakeClock
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

NODES = [Node("01-1", "10.23.1.1"), Node("02-1", "10.23.2.1")]
SCRIPTS = {
    "leader": "echo 10.23.2.1",
    "all": "echo $*",
    "nothing": "true",
    "stranger": "echo 10.23.9.9",
    "fails": "echo 'no leader yet' >&2; exit 3",
    "endless": "while :; do sleep 0.05; done",
}


def place(number: int, name: str, deadline: float = 60.0) -> ApiRunRequest:
    return ApiRunRequest(number, "place", name, "", deadline)


def probe(number: int, command: str) -> ApiRunRequest:
    return ApiRunRequest(number, "probe", "", command, 60.0)


@pytest.fixture
def plan(tmp_path: Path) -> LocalPlan:
    text = 'nodes = "all"\n[[probe]]\ncommand = "./leader"\n[[probe]]\ncommand = "./fails"\n'
    for name, script in SCRIPTS.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        text += f'[place.{name}]\ncommand = "./{name} {{names}}"\n'
    return parse_local_plan(text, "raft.toml", tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def commands(plan: LocalPlan, tmp_path: Path, clock: FakeClock) -> Iterator[RequestCommands]:
    commands = RequestCommands(plan, NODES, tmp_path, tmp_path / "history", clock=clock)
    yield commands
    commands.close()


def complete_answers(commands: RequestCommands) -> list[Answer]:
    """Wait for the next answers."""
    answers: list[Answer] = []

    def has_answers() -> bool:
        answers.extend(commands.take_answers())
        return bool(answers)

    wait_until(has_answers)
    return answers


@pytest.fixture
def answer(commands: RequestCommands) -> Callable[[ApiRunRequest], Answer]:
    def answer(request: ApiRunRequest) -> Answer:
        commands.accept([request])
        [only] = complete_answers(commands)
        return only

    return answer


def test_place_is_the_nodes_that_its_command_prints(
    answer: Callable[[ApiRunRequest], Answer],
) -> None:
    assert answer(place(1, "leader")) == {"id": 1, "nodes": ["02-1"], "detail": ""}
    assert answer(place(2, "all")) == {"id": 2, "nodes": ["01-1", "02-1"], "detail": ""}


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("nothing", "it printed no node"),
        ("stranger", "it printed '10.23.9.9', which is not a node"),
        ("fails", "exit status 3: no leader yet"),
        ("unknown", "the plan file has no command for this place"),
    ],
)
def test_place_that_is_not_resolved_has_a_reason(
    answer: Callable[[ApiRunRequest], Answer], name: str, detail: str
) -> None:
    assert answer(place(1, name)) == {"id": 1, "nodes": [], "detail": detail}


def test_probe_is_ok_if_its_command_succeeds(answer: Callable[[ApiRunRequest], Answer]) -> None:
    assert answer(probe(1, "./leader")) == {"id": 1, "ok": True, "detail": ""}
    assert answer(probe(2, "./fails")) == {
        "id": 2,
        "ok": False,
        "detail": "exit status 3: no leader yet",
    }


def test_command_that_is_not_in_the_plan_file_does_not_run(
    answer: Callable[[ApiRunRequest], Answer], tmp_path: Path
) -> None:
    assert answer(probe(1, f"touch {tmp_path}/created")) == {
        "id": 1,
        "ok": False,
        "detail": "the plan file has no command for this probe",
    }
    assert not (tmp_path / "created").exists()


def test_repeated_request_is_run_once(commands: RequestCommands) -> None:
    commands.accept([place(1, "leader")] * 2)
    answers = complete_answers(commands)
    commands.accept([place(1, "leader")])
    assert (len(answers), commands.take_answers()) == (1, [])
    commands.return_answers(answers)
    assert commands.take_answers() == answers


def test_command_is_killed_at_its_deadline(commands: RequestCommands, clock: FakeClock) -> None:
    commands.accept([place(1, "endless", deadline=5.0)])
    assert commands.take_answers() == []
    clock.now += 6.0
    assert commands.take_answers() == [{"id": 1, "nodes": [], "detail": "its time is over"}]


@pytest.mark.parametrize("output", ["02-1\n", "10.23.2.1", " 02-1 10.23.2.1 "])
def test_node_is_named_by_its_name_or_address(output: str) -> None:
    assert named_nodes(output, NODES) == ["02-1"]
