"""Colors, width and `--watch` on a terminal."""

import re
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.cli.terminal import Terminal
from tests.controller.fakes import FakeRackState

pytestmark = pytest.mark.process

RED = "\x1b[1;31m"


@pytest.fixture
def on_terminal(url: str, environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    terminals: list[Terminal] = []
    variables = {**environment, "PIRACK_URL": url, "TERM": "xterm-256color", "COLUMNS": "80"}

    def start(*arguments: str, **extra_variables: str) -> Terminal:
        terminals.append(Terminal(arguments, variables | extra_variables))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def test_output_on_terminal_is_colored(
    on_terminal: Callable[..., Terminal], rack_state: FakeRackState
) -> None:
    rack_state.state_values["03-2"] = 0.0
    assert f"{RED}down" in on_terminal("rasps", "3").read_all()


def test_no_color_variable_disables_colors(
    on_terminal: Callable[..., Terminal], rack_state: FakeRackState
) -> None:
    rack_state.state_values["03-2"] = 0.0
    output = on_terminal("rasps", "3", NO_COLOR="1").read_all()
    assert "down" in output
    assert "31m" not in output


def test_tables_fit_into_width_of_terminal(
    on_terminal: Callable[..., Terminal], rack_state: FakeRackState
) -> None:
    rack_state.state_values["03-2"] = 0.0
    output = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal("rasps", COLUMNS="60").read_all())
    assert 50 < max(len(line) for line in output.splitlines()) <= 60
    assert "03-2" in output


def test_watch_displays_changes_and_errors_until_ctrl_c(
    on_terminal: Callable[..., Terminal], rack_state: FakeRackState
) -> None:
    terminal = on_terminal("status", "--watch")
    terminal.read_until("No issues.")
    rack_state.state_values["03-2"] = 0.0
    terminal.read_until("1 down")
    rack_state.is_database_broken = True
    terminal.read_until("failed, see its log")
    terminal.process.send_signal(signal.SIGINT)
    assert "Traceback" not in terminal.read_all()
    assert terminal.process.returncode == 130
