"""`pirack` on a terminal: colours, width and watching."""

import re
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.cli.terminal import Terminal
from tests.controller.fakes import FakeRackState

RED = "\x1b[1;31m"


@pytest.fixture
def on_terminal(url: str, environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    terminals: list[Terminal] = []
    told = {**environment, "PIRACK_URL": url, "TERM": "xterm-256color", "COLUMNS": "80"}

    def start(*words: str, **more: str) -> Terminal:
        terminals.append(Terminal(words, told | more))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def test_a_terminal_gets_colours(
    on_terminal: Callable[..., Terminal], world: FakeRackState
) -> None:
    world.state_values["03-2"] = 0.0
    assert f"{RED}down" in on_terminal("rasps", "3").read_all()


def test_who_wants_no_colours_gets_none(
    on_terminal: Callable[..., Terminal], world: FakeRackState
) -> None:
    world.state_values["03-2"] = 0.0
    shown = on_terminal("rasps", "3", NO_COLOR="1").read_all()
    assert "down" in shown
    assert "31m" not in shown


def test_no_line_is_longer_than_the_terminal_is_wide(
    on_terminal: Callable[..., Terminal], world: FakeRackState
) -> None:
    world.state_values["03-2"] = 0.0
    shown = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal("rasps", COLUMNS="60").read_all())
    assert 50 < max(len(line) for line in shown.splitlines()) <= 60
    assert "03-2" in shown


def test_watching_shows_each_change_and_an_outage_until_ctrl_c(
    on_terminal: Callable[..., Terminal], world: FakeRackState
) -> None:
    terminal = on_terminal("status", "--watch")
    terminal.read_until("Nothing needs care.")
    world.state_values["03-2"] = 0.0
    terminal.read_until("its exporter does not answer")
    world.is_database_broken = True
    terminal.read_until("cannot answer")
    terminal.process.send_signal(signal.SIGINT)
    assert "Traceback" not in terminal.read_all()
    assert terminal.process.returncode == 130
