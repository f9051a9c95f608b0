"""The example of a power driver, installed as a package of its own."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rack.power.registry import UnknownDriverError, driver_type
from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "power_driver"


def run(*command: str | Path, folder: Path, path: str = "") -> str:
    """Run Python with a command. Return its output, and fail with it."""
    completed = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout
    return completed.stdout


def test_installed_example_passes_the_contract_of_power_drivers(tmp_path: Path) -> None:
    run("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, folder=EXAMPLE)
    (wheel,) = tmp_path.glob("pirack_scpi-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    output = run(
        *("-m", "pytest", "-q", "-c", os.devnull, "-p", "no:cacheprovider"),
        *("-p", "no:schemathesis", f"--rootdir={EXAMPLE}", EXAMPLE / "test_contract.py"),
        folder=tmp_path,
        path=f"{installed}{os.pathsep}{ROOT}",
    )
    assert " passed" in output
    assert "skipped" not in output


def test_driver_that_is_not_installed_is_reported() -> None:
    with pytest.raises(UnknownDriverError, match="scpi"):
        driver_type("scpi")
