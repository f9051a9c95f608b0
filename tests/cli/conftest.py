"""The real command, in a process of its own, against a real server of the controller."""

import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.controller.conftest import *  # noqa: F403 - whatever its application is made of

PIRACK = Path(sysconfig.get_path("scripts")) / "pirack"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a command is told by its environment; a test may add to it."""
    return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def run(url: str, environment: dict[str, str]) -> Run:
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
