"""docs/cli.md says what the command does: its examples are run."""

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.__main__ import pirack
from controller.command_line.arguments import build_parser as controller_parser
from tests.cli.conftest import RunPirack
from tests.controller.fakes import FakeRackState

PAGE = Path("docs/cli.md").read_text(encoding="utf-8")
# Those of orders are run in test_orders.py, for they need rasps.
_STATUS_SECTION = PAGE.partition("\n## Orders\n")[0]
EXAMPLES = re.findall(r"^\$ (.+)\n((?:.|\n)*?)```", _STATUS_SECTION, re.MULTILINE)


@pytest.mark.parametrize(("line", "printed"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_an_example_prints_what_the_page_shows(
    run: RunPirack, world: FakeRackState, line: str, printed: str
) -> None:
    world.temperatures = {"03-2": 48.3}
    world.state_values |= {"05-3": 0.0, "07-1": 0.0}
    command, _, behind = line.partition(" | ")
    done = run(*shlex.split(command)[1:])
    told = done.stdout
    if behind == "jq -r .[].name":
        told = "".join(f"{name}\n" for name in re.findall(r'"name": "(.+)"', told))
    else:
        assert not behind
    assert [row.rstrip() for row in told.splitlines()] == printed.splitlines()


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    rows = re.findall(r"^\| (`pirack .+?) \| ", PAGE, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`pirack (\w+)", row)}
    assert documented == set(pirack.commands)


def test_every_option_is_documented() -> None:
    for command in (pirack, *pirack.commands.values()):
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[-1] in PAGE, option.opts


def test_the_exit_statuses_of_the_help_are_those_of_the_page(run: RunPirack) -> None:
    told = set(re.findall(r"^ +(\d+)  ", run("--help").stdout, re.MULTILINE))
    assert told == set(re.findall(r"^\| `(\d+)`", PAGE, re.MULTILINE))


def documented_calls(program: str) -> list[tuple[str, list[str]]]:
    """Each line of a page's blocks that calls a program: the page, and the words behind it."""
    return [
        (str(page), shlex.split(line, comments=True)[1:])
        for page in [Path("README.md"), *Path("docs").rglob("*.md")]
        for block in re.findall(r"^ *```\w*\n(.*?)```", page.read_text(), re.MULTILINE | re.DOTALL)
        for line in re.findall(rf"^ *(?:\$ )?(?:sudo )?({program} .+)$", block, re.MULTILINE)
    ]


def test_every_command_on_any_page_is_one_that_there_is() -> None:
    found = documented_calls("pirack")
    assert len(found) > 20
    for page, words in found:
        shell = {"|", "||", ">", "<", "&&"}
        end = next((place for place, word in enumerate(words) if word[:1] in shell), len(words))
        name, *rest = [word for word in words[:end] if not word.startswith(">")]
        if not name.startswith("-"):
            assert name in pirack.commands, (page, words)
            if rest != ["--help"]:
                pirack.commands[name].make_context(name, rest)


def test_every_command_of_the_controllers_on_any_page_is_one_that_there_is() -> None:
    for _, words in (
        *documented_calls("pirack-controller"),
        *documented_calls("python -m controller"),
    ):
        controller_parser().parse_args(words[2:] if words[:1] == ["-m"] else words)
