"""docs/cli.md says what the command does: its examples are run."""

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.__main__ import pirack
from tests.cli.conftest import Run
from tests.controller.world import World

PAGE = Path("docs/cli.md").read_text(encoding="utf-8")
# Those of orders are run in test_orders.py, for they need rasps.
_LOOKING = PAGE.partition("\n## Orders\n")[0]
EXAMPLES = re.findall(r"^\$ (.+)\n((?:.|\n)*?)```", _LOOKING, re.MULTILINE)


@pytest.mark.parametrize(("line", "printed"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_an_example_prints_what_the_page_shows(
    run: Run, world: World, line: str, printed: str
) -> None:
    world.temperatures = {"03-2": 48.3}
    world.values |= {"05-3": 0.0, "07-1": 0.0}
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


def test_the_exit_statuses_of_the_help_are_those_of_the_page(run: Run) -> None:
    told = set(re.findall(r"^ +(\d+)  ", run("--help").stdout, re.MULTILINE))
    assert told == set(re.findall(r"^\| `(\d+)`", PAGE, re.MULTILINE))
