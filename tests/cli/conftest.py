"""The real command, in a process of its own, against a real server of the controller."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import PIRACK, Terminal
from tests.controller.conftest import *  # noqa: F403 - whatever its application is made of

RunPirack = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a command is told by its environment; a test may add to it."""
    return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def run(url: str, environment: dict[str, str]) -> RunPirack:
    """Run `pirack` on the test's controller, or on another at `at`."""

    def run_pirack(*words: str, at: str = url) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PIRACK, *words],
            env={"PIRACK_URL": at, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_pirack


@pytest.fixture
def on_terminal(environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """Starts `pirack` on a terminal of its own, in the environment that a test gives it."""
    terminals: list[Terminal] = []
    told = {**environment, "TERM": "xterm-256color", "COLUMNS": "100", "NO_COLOR": "1"}

    def start(*words: str) -> Terminal:
        terminals.append(Terminal(words, told))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
