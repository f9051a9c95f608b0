"""Tests of the rule on skips in `tests/conftest.py`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

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
            env={**os.environ, "PYTHONPATH": str(ROOT), "PIRACK_FORBID_SKIPS": str(int(forbid))},
            capture_output=True,
            text=True,
            timeout=60,
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
