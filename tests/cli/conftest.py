"""Run `pirack` as a process against an HTTP server of the controller."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import PIRACK, Terminal
from tests.controller.conftest import *  # noqa: F403 - fixtures of the application
from tests.controller.fakes import RACK, FakeRackState
from tests.helpers.waiting import TIMEOUT_SECONDS

RunPirack = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture  # type: ignore[no-redef]  # replaces an imported fixture
def rack_state() -> FakeRackState:
    """State of the rack in the documentation, whose rasps these tests do not use."""
    return FakeRackState(RACK)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Environment variables of the command. Tests may add to them."""
    return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def run(url: str, environment: dict[str, str]) -> RunPirack:
    """Run `pirack`, by default with the URL of the controller."""

    def run_pirack(*arguments: str, at: str = url) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PIRACK, *arguments],
            env={"PIRACK_URL": at, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

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
