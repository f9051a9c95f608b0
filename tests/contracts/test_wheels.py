"""The locked packages have wheels for every supported machine, so that it needs no compiler."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.process, pytest.mark.verify]

# With the C library of Debian 12, which is the oldest supported system.
PLATFORMS = ("x86_64-manylinux_2_36", "aarch64-manylinux_2_36")


def resolve(
    level: str, platform: str, python: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Select a wheel for each package of a lock file, without downloading it."""
    uv = Path(sys.executable).with_name("uv")
    return subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--dry-run", "--target", str(folder)),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--python-platform", platform, "--python-version", python),
            *("--requirement", f"requirements/{level}.lock"),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("level", ["master", "dev"])
def test_every_locked_package_has_a_wheel(
    level: str, platform: str, python: str, tmp_path: Path
) -> None:
    completed = resolve(level, platform, python, tmp_path)
    assert completed.returncode == 0, completed.stderr


def test_package_without_a_wheel_is_found(tmp_path: Path) -> None:
    completed = resolve("master", "riscv64-unknown-linux", "3.11", tmp_path)
    assert completed.returncode != 0
    assert "no usable wheels" in completed.stderr
