"""`pirack top` on a terminal."""

import signal
from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import RunPirack
from tests.cli.terminal import Terminal
from tests.controller.fakes import FakeRackState

pytestmark = pytest.mark.process

ALTERNATE_SCREEN, MAIN_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"


@pytest.fixture
def start_top(url: str, environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """Start `pirack top` on a terminal of 80 columns and 24 lines."""
    terminals: list[Terminal] = []
    variables = {**environment, "PIRACK_URL": url, "TERM": "xterm-256color", "NO_COLOR": "1"}

    def start(*arguments: str) -> Terminal:
        terminals.append(Terminal(("top", *arguments), variables, (80, 24)))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture(autouse=True)
def readings(rack_state: FakeRackState) -> None:
    rack_state.temperatures = {"03-2": 61.2, "05-1": 48.0, "07-3": 55.0}
    rack_state.memory_available = {"09-4": 1e8}


def test_keys_sort_and_quit_and_the_terminal_is_restored(
    start_top: Callable[..., Terminal],
) -> None:
    terminal = start_top()
    terminal.read_until("1-20 of 48")
    assert ALTERNATE_SCREEN in terminal.output
    assert terminal.output.index("03-2  up") < terminal.output.index("07-3  up")
    assert terminal.modes != terminal.initial_modes
    assert "09-4" not in terminal.output
    terminal.type("m")
    terminal.read_until("09-4  up")
    terminal.type("q")
    output = terminal.read_all()
    assert terminal.process.returncode == 0
    assert output.endswith(MAIN_SCREEN)
    assert SHOW_CURSOR in output
    assert terminal.modes == terminal.initial_modes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_terminal_is_restored_after_ctrl_c(
    start_top: Callable[..., Terminal], number: signal.Signals
) -> None:
    terminal = start_top()
    terminal.read_until("1-20 of 48")
    terminal.process.send_signal(number)
    output = terminal.read_all()
    assert terminal.process.returncode == 130
    assert "Traceback" not in output
    assert output.endswith(MAIN_SCREEN)
    assert SHOW_CURSOR in output
    assert terminal.modes == terminal.initial_modes


def test_values_are_updated_and_errors_are_shown(
    start_top: Callable[..., Terminal], rack_state: FakeRackState
) -> None:
    terminal = start_top("--sort", "cpu")
    terminal.read_until("hottest 03-2, 61 °C")
    rack_state.temperatures["07-3"] = 75.0
    terminal.read_until("hottest 07-3, 75 °C")
    rack_state.is_database_broken = True
    terminal.read_until("outdated: the controller at")


def test_screen_follows_the_size_of_the_terminal(start_top: Callable[..., Terminal]) -> None:
    terminal = start_top()
    terminal.read_until("1-20 of 48")
    terminal.resize(100, 10)
    terminal.read_until("1-6 of 48")


def test_rasps_are_printed_once_without_a_terminal_or_with_once(
    start_top: Callable[..., Terminal], run: RunPirack
) -> None:
    for output in (run("top").stdout, start_top("--once").read_all()):
        lines = [line.rstrip() for line in output.splitlines()]
        assert lines[0] == "48 rasps: 48 up; hottest 03-2, 61 °C"
        assert "RASP" in lines[1]
        assert [line.split()[0] for line in lines[2:5]] == ["03-2", "07-3", "05-1"]
        assert len(lines) == 50
        assert ALTERNATE_SCREEN not in output


def test_unreachable_controller_is_reported_before_the_screen_changes(run: RunPirack) -> None:
    completed = run("top", at="http://127.0.0.1:1")
    assert completed.returncode == 3
    assert "cannot connect to the controller" in completed.stderr
