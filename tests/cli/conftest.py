"""Run `pirack` as a process against an HTTP server of the controller."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.controller.conftest import *  # noqa: F403 - fixtures of the application
from tests.controller.fakes import RACK, FakeRackState
from tests.helpers.forked_program import run_program

RunPirack = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture  # type: ignore[no-redef]  # replaces an imported fixture
def rack_state() -> FakeRackState:
    """State of the rack in the documentation, whose rasps these tests do not use."""
    return FakeRackState(RACK)


@pytest.fixture
def default_sighup() -> Iterator[None]:
    """Handle SIGHUP as in a terminal, also if pytest runs with nohup."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, previous)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Environment variables of the command. Tests may add to them."""
    return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def run(url: str, environment: dict[str, str]) -> RunPirack:
    """Run `pirack`, by default with the URL of the controller."""

    def run_pirack(*arguments: str, at: str = url) -> subprocess.CompletedProcess[str]:
        return run_program("cli", arguments, environment={"PIRACK_URL": at, **environment})

    return run_pirack


@pytest.fixture
def on_terminal(environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """Start `pirack` on a terminal."""
    terminals: list[Terminal] = []
    variables = {**environment, "TERM": "xterm-256color", "COLUMNS": "100", "NO_COLOR": "1"}

    def start(*arguments: str) -> Terminal:
        terminals.append(Terminal(arguments, variables))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
