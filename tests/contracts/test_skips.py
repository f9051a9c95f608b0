"""Tests of the rules on skips and processes in `tests/conftest.py`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
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

FILES = {
    **SKIPS,
    "expected_failure": EXPECTED_FAILURE,
    "process": PROCESS.format(decorator=""),
    "marked_process": PROCESS.format(decorator="@pytest.mark.process"),
}


def run_pytest(folder: Path, *, forbid: bool) -> CompletedProcess[str]:
    """Run pytest with the project's conftest on all of the files, which takes seconds to start."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    for name, text in FILES.items():
        (folder / f"test_{name}.py").write_text(text)
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"),
            *("--continue-on-collection-errors", str(folder)),
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PIRACK_FORBID_SKIPS": str(int(forbid)),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half of the time
            "COLUMNS": "300",  # or the summary has only the first words of a reason
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def outcomes(done: CompletedProcess[str]) -> Mapping[str, str]:
    """Return the line of each file in the summary, keyed by the name of the file."""
    _, _, summary = done.stdout.partition("short test summary info")
    return {
        name: line
        for line in summary.splitlines()
        for name in FILES
        if re.search(rf"\btest_{name}\.py", line)
    }


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> CompletedProcess[str]:
    return run_pytest(tmp_path_factory.mktemp("allowing"), forbid=False)


@pytest.fixture(scope="module")
def forbidding(tmp_path_factory: pytest.TempPathFactory) -> CompletedProcess[str]:
    return run_pytest(tmp_path_factory.mktemp("forbidding"), forbid=True)


@pytest.mark.parametrize("kind", SKIPS)
def test_skip_is_reported_with_its_reason(allowing: CompletedProcess[str], kind: str) -> None:
    outcome = outcomes(allowing)[kind]
    assert outcome.startswith("SKIPPED [1] ")
    assert outcome.endswith(": no browser here")


@pytest.mark.parametrize("kind", SKIPS)
def test_forbidden_skip_fails_with_its_reason(forbidding: CompletedProcess[str], kind: str) -> None:
    outcome = outcomes(forbidding)[kind]
    assert re.match("(FAILED|ERROR) ", outcome)
    assert " - skipped despite PIRACK_FORBID_SKIPS=1: " in outcome
    assert outcome.endswith("no browser here")
    assert forbidding.returncode == pytest.ExitCode.TESTS_FAILED


def test_expected_failure_is_not_a_skip(forbidding: CompletedProcess[str]) -> None:
    assert outcomes(forbidding)["expected_failure"].startswith("XFAIL ")


def test_process_requires_the_marker(forbidding: CompletedProcess[str]) -> None:
    outcome = outcomes(forbidding)["process"]
    assert outcome.startswith("FAILED ")
    assert "test_process starts a process (subprocess.Popen): mark the test with" in outcome
    assert outcomes(forbidding)["marked_process"].startswith("PASSED ")
