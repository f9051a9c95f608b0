"""Tests of the rules on skips and processes in `tests/conftest.py`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent

SKIPS = {
    "fixture": """
import pytest

@pytest.fixture
def browser():
    pytest.skip("no browser here")

def test_page(browser):
    pass
""",
    "mark": """
import pytest

@pytest.mark.skipif(True, reason="no browser here")
def test_page():
    pass
""",
    "program": """
from tools.programs import ProgramError

def test_page():
    raise ProgramError("no browser here")
""",
    "module": """
import pytest

pytest.skip("no browser here", allow_module_level=True)
""",
}

EXPECTED_FAILURE = """
import pytest

@pytest.mark.xfail(reason="known")
def test_page():
    raise AssertionError
"""

PROCESS = """
import subprocess
import sys

import pytest

{decorator}
def test_process():
    subprocess.run([sys.executable, "-c", ""], check=True)
"""

PytestRunner = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run_pytest_on(tmp_path: Path) -> PytestRunner:
    """Return a function that runs pytest with the project's conftest on the text of a module."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)

    def run_pytest(text: str, *, forbid: bool) -> CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(text)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", str(tmp_path)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PIRACK_FORBID_SKIPS": str(int(forbid)),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of the time
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    return run_pytest


@pytest.mark.parametrize("kind", SKIPS)
def test_skip_is_reported_with_its_reason(run_pytest_on: PytestRunner, kind: str) -> None:
    done = run_pytest_on(SKIPS[kind], forbid=False)
    assert "1 skipped" in done.stdout
    assert "no browser here" in done.stdout


@pytest.mark.parametrize("kind", SKIPS)
def test_forbidden_skip_fails_with_its_reason(run_pytest_on: PytestRunner, kind: str) -> None:
    done = run_pytest_on(SKIPS[kind], forbid=True)
    assert done.returncode in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}
    assert "skipped despite PIRACK_FORBID_SKIPS=1: " in done.stdout
    assert "no browser here" in done.stdout
    assert "1 skipped" not in done.stdout


def test_expected_failure_is_not_a_skip(run_pytest_on: PytestRunner) -> None:
    done = run_pytest_on(EXPECTED_FAILURE, forbid=True)
    assert done.returncode == pytest.ExitCode.OK
    assert "1 xfailed" in done.stdout


def test_process_requires_the_marker(run_pytest_on: PytestRunner) -> None:
    done = run_pytest_on(PROCESS.format(decorator=""), forbid=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "test_process starts a process (subprocess.Popen): mark the test with" in done.stdout
    done = run_pytest_on(PROCESS.format(decorator="@pytest.mark.process"), forbid=True)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
