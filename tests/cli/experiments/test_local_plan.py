"""Commands of a plan file on the user's machine."""

from pathlib import Path

import pytest

from cli.experiments.local_plan import LocalPlanError, parse_local_plan, read_plan_text
from cli.experiments.user_command import UserCommand

PLAN = """
nodes = "3 stacks"
client = "./load {nodes} {history}"
check = { kind = "command", command = "./check {history}" }

[[probe]]
promql = "up"
[[probe]]
command = "./ready {nodes}"

[place.leader]
command = "./leader {nodes}"
"""


def test_all_commands_of_a_plan_file_are_found(tmp_path: Path) -> None:
    plan = parse_local_plan(PLAN, "raft.toml", tmp_path)
    assert plan.nodes == "3 stacks"
    assert list(plan.commands) == [
        UserCommand("client", "./load {nodes} {history}"),
        UserCommand("check", "./check {history}"),
        UserCommand("place.leader", "./leader {nodes}"),
        UserCommand("probe", "./ready {nodes}"),
    ]


def test_plan_without_commands_is_possible(tmp_path: Path) -> None:
    for text in ('check = "none"', 'client = ""\ncheck = { kind = "set", command = "" }'):
        plan = parse_local_plan(f'nodes = "all"\n{text}\n', "raft.toml", tmp_path)
        assert list(plan.commands) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nodes = ", "Invalid value (at end of document)"),
        ("client = 7", "7 is not a text"),
        ("place = 7", "place is not a table"),
        ("probe = 7", "'int' object is not iterable"),
        ("[place.leader]\n", "'command'"),
    ],
)
def test_text_that_is_no_plan_is_reported_with_its_file(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(LocalPlanError) as error:
        parse_local_plan(text, "raft.toml", tmp_path)
    assert str(error.value) == f"raft.toml is not a plan, {problem}: correct the file"


def test_file_that_is_no_plan_is_reported_with_a_fix(tmp_path: Path) -> None:
    def error_of(path: Path) -> str:
        with pytest.raises(LocalPlanError) as error:
            read_plan_text(path)
        return str(error.value)

    binary, large = tmp_path / "binary", tmp_path / "large"
    binary.write_bytes(b"\xff")
    large.write_bytes(b" " * (40 * 2**10 + 1))
    missing = tmp_path / "raft.toml"
    assert error_of(missing) == (
        f"cannot read {missing}: No such file or directory: correct the path"
    )
    assert error_of(tmp_path) == f"cannot read {tmp_path}: Is a directory: correct the path"
    assert error_of(binary) == f"{binary} is not UTF-8 text: name a plan file in TOML"
    assert error_of(large) == f"{large} is larger than 40 KiB: name a plan file in TOML"
