"""docs/reference/cli.md matches the command."""

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.__main__ import pirack
from cli.experiments.commands import experiment
from controller.__main__ import controller
from tests.cli.conftest import RunPirack
from tests.controller.fakes import FakeRackState
from tests.helpers.click_commands import parse_command
from virtual_rack.command_line import build_parser

pytestmark = pytest.mark.process

PAGE = Path("docs/reference/cli.md").read_text(encoding="utf-8")
# test_order_commands.py runs the examples of orders.
_STATUS_SECTION = PAGE.partition("\n## Orders\n")[0]
EXAMPLES = re.findall(r"^\$ (.+)\n((?:.|\n)*?)```", _STATUS_SECTION, re.MULTILINE)


@pytest.mark.parametrize(("line", "expected"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_example_prints_documented_output(
    run: RunPirack, rack_state: FakeRackState, line: str, expected: str
) -> None:
    rack_state.temperatures = {"03-2": 48.3}
    rack_state.state_values |= {"05-3": 0.0, "07-1": 0.0}
    command, _, pipe = line.partition(" | ")
    output = run(*shlex.split(command)[1:]).stdout
    if pipe.startswith("head -n "):
        output = "\n".join(output.splitlines()[: int(pipe.removeprefix("head -n "))])
    elif pipe == "jq -r .[].name":
        output = "".join(f"{name}\n" for name in re.findall(r'"name": "(.+)"', output))
    else:
        assert not pipe
    assert [row.rstrip() for row in output.splitlines()] == expected.splitlines()


def test_documented_commands_match_existing_commands() -> None:
    rows = re.findall(r"^\| (`pirack .+?) \| ", PAGE, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`pirack (\w[\w-]*)", row)}
    assert documented == set(pirack.commands)


def test_documented_commands_for_experiments_match_existing_commands() -> None:
    documented = set(re.findall(r"^\| `pirack experiment ([a-z]+)", PAGE, re.MULTILINE))
    assert documented == set(experiment.commands)


def test_all_options_are_documented() -> None:
    for command in (pirack, *pirack.commands.values(), *experiment.commands.values()):
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[-1] in PAGE, option.opts


def test_exit_statuses_of_help_are_documented(run: RunPirack) -> None:
    statuses = set(re.findall(r"^ +(\d+)  ", run("--help").stdout, re.MULTILINE))
    assert statuses == set(re.findall(r"^\| `(\d+)`", PAGE, re.MULTILINE))


def documented_calls(program: str) -> list[tuple[str, list[str]]]:
    """Return the calls of a program in code blocks: the page and the arguments."""
    return [
        (str(page), shlex.split(line, comments=True)[1:])
        for page in [Path("README.md"), *Path("docs").rglob("*.md")]
        for block in re.findall(r"^ *```\w*\n(.*?)```", page.read_text(), re.MULTILINE | re.DOTALL)
        for line in re.findall(
            rf"^ *(?:\$ )?(?:sudo )?(?:\S+/)?({program} .+)$",
            block.replace("\\\n", " "),
            re.MULTILINE,
        )
    ]


def before_operator(words: list[str]) -> list[str]:
    """Return the words of a command line before an operator of the shell."""
    end = next((i for i, word in enumerate(words) if word[:1] in {"|", ">", "<", "&"}), len(words))
    return words[:end]


def test_documented_calls_of_pirack_are_valid() -> None:
    calls = documented_calls("pirack")
    assert {"README.md", "docs/tutorial.md"} <= {page for page, _ in calls}
    for page, words in calls:
        name, *rest = before_operator(words)
        if not name.startswith("-"):
            assert name in pirack.commands, (page, words)
            if rest != ["--help"]:
                parse_command(pirack, [name, *rest])


def test_documented_calls_of_controller_are_valid() -> None:
    for _, words in (
        *documented_calls("pirack-controller"),
        *documented_calls("python -m controller"),
    ):
        parse_command(controller, words[2:] if words[:1] == ["-m"] else words)


def test_documented_calls_of_the_virtual_rack_are_valid() -> None:
    calls = documented_calls("python -m virtual_rack")
    assert {"README.md", "docs/tutorial.md"} <= {page for page, _ in calls}
    for _, words in calls:
        build_parser().parse_args(before_operator(words)[2:])
