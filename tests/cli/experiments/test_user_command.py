"""Commands of a plan on the user's machine."""

from pathlib import Path

import pytest

from cli.experiments.user_command import Node, UserCommand, UserCommandError, require_programs

NODES = [Node("01-1", "10.23.1.1"), Node("02-1", "10.23.2.1")]
HISTORY = Path("/data/run 7/history.jsonl")


def test_each_node_is_one_word_and_a_path_with_spaces_too() -> None:
    command = UserCommand("client", "./load --rate 10 {nodes} --out={history} {names}")
    assert command.arguments(NODES, HISTORY) == [
        *("./load", "--rate", "10", "10.23.1.1", "10.23.2.1"),
        *("--out=/data/run 7/history.jsonl", "01-1", "02-1"),
    ]


def test_text_of_a_shell_has_no_effect() -> None:
    command = UserCommand("client", "./load '$(reboot)' ; reboot")
    assert command.arguments(NODES, HISTORY) == ["./load", "$(reboot)", ";", "reboot"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the command is empty: write the path of a program"),
        ("./load 'a", '"./load \'a" is not a command, No closing quotation: close the quote'),
        ("./load {node}", "{node} is unknown: use {nodes}, {names}, {history}"),
        (
            "./load --nodes={nodes}",
            "{nodes} in '--nodes={nodes}' stands for several words:"
            " separate it from other text with spaces",
        ),
    ],
)
def test_malformed_command_is_reported_with_its_key(text: str, problem: str) -> None:
    with pytest.raises(UserCommandError) as error:
        UserCommand("client", text).arguments(NODES, HISTORY)
    assert str(error.value) == f"client: {problem}"


def test_program_that_cannot_be_started_is_reported_with_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    program = tmp_path / "load"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    def error_of(text: str) -> str:
        command = UserCommand("check", text)
        with pytest.raises(UserCommandError) as error:
            require_programs([command], "raft.toml", tmp_path, search_path=str(tmp_path))
        return str(error.value)

    assert error_of("./lod {nodes}") == (
        f"raft.toml: check: ./lod does not exist in {tmp_path}: correct the path"
    )
    assert error_of("./text") == (
        f"raft.toml: check: {tmp_path}/text is not executable: run chmod +x {tmp_path}/text"
    )
    assert error_of("lod") == (
        "raft.toml: check: lod is not in PATH: install it, or write its path"
    )
    for text in ("./load {nodes}", "load", str(program)):
        require_programs([UserCommand("client", text)], "raft.toml", tmp_path, str(tmp_path))
