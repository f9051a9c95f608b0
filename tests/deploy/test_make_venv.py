"""`deploy.make_venv` with the real venv and pip, in a small checkout with its own wheels."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from zipfile import ZipFile

import pytest

from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "pirack"
version = "0.1.0"
"""
WHEEL_METADATA = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
BACKEND = f"""
from pathlib import Path
from zipfile import ZipFile

def build_editable(folder, config_settings=None, metadata_directory=None):
    wheel = "pirack-0.1.0-py3-none-any.whl"
    info = "pirack-0.1.0.dist-info"
    about = "Metadata-Version: 2.1\\nName: pirack\\nVersion: 0.1.0\\n"
    with ZipFile(Path(folder, wheel), "w") as archive:
        archive.writestr("pirack.pth", str(Path.cwd()))
        archive.writestr(f"{{info}}/METADATA", about)
        archive.writestr(f"{{info}}/WHEEL", {WHEEL_METADATA!r})
        archive.writestr(f"{{info}}/RECORD", "")
    return wheel
"""


class Checkout:
    """A checkout with a package, wheels, and lock files that list them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("exporter", "requirements", "wheels", ".tools"):
            (folder / name).mkdir(parents=True)
        (folder / "exporter" / "__init__.py").touch()
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "backend.py").write_text(BACKEND)
        # Share the unpacked pip if Python has none.
        if (ROOT / ".tools" / "debian").is_dir():
            (folder / ".tools" / "debian").symlink_to(ROOT / ".tools" / "debian")
        self.write_lock("master", colors="1.0")
        self.write_lock("dev", colors="1.0", checker="1.0")

    def write_lock(self, level: str, **versions: str) -> None:
        lines = []
        for name, version in versions.items():
            wheel = self.folder / "wheels" / f"{name}-{version}-py3-none-any.whl"
            info = f"{name}-{version}.dist-info"
            with ZipFile(wheel, "w") as archive:
                archive.writestr(f"{name}.py", f"version = {version!r}")
                archive.writestr(
                    f"{info}/METADATA",
                    f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
                )
                archive.writestr(f"{info}/WHEEL", WHEEL_METADATA)
                archive.writestr(f"{info}/RECORD", "")
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
        (self.folder / "requirements" / f"{level}.lock").write_text("".join(lines))

    def make_venv(self, level: str, **environment: str) -> CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy.make_venv", level],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_USER": "1",  # may be set by the configuration of pip
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.folder / "wheels"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def python(self, code: str) -> str:
        """Return the output of code that runs in `.venv`, outside of the checkout."""
        python = self.folder / ".venv" / "bin" / "python"
        return subprocess.check_output(
            [python, "-c", code], cwd="/", text=True, timeout=TIMEOUT_SECONDS
        ).strip()

    @property
    def marker(self) -> Path:
        """File that disappears if `.venv` is created again."""
        return self.folder / ".venv" / "mark"


@dataclass(frozen=True)
class BuiltCheckout:
    """A checkout with a `.venv` of the level `master`, and a copy of it."""

    checkout: Checkout
    completed: CompletedProcess[str]
    copy: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltCheckout:
    folder = tmp_path_factory.mktemp("make_venv")
    checkout = Checkout(folder / "pirack")
    completed = checkout.make_venv("master")
    shutil.copytree(checkout.folder, folder / "copy", symlinks=True)
    return BuiltCheckout(checkout, completed, folder / "copy")


@pytest.fixture
def checkout(built: BuiltCheckout) -> Iterator[Checkout]:
    """The checkout as it was built, at its path, because a `.venv` cannot be moved."""
    checkout = built.checkout
    original = checkout.folder
    yield checkout
    shutil.rmtree(checkout.folder)
    checkout.folder = original
    shutil.copytree(built.copy, original, symlinks=True)


SHOW_VERSIONS = "import colors, importlib.metadata as m; print(colors.version, m.version('pirack'))"


def test_venv_contains_packages_of_lock_file_and_pirack(
    built: BuiltCheckout, checkout: Checkout
) -> None:
    assert built.completed.returncode == 0, built.completed.stderr
    assert "Installing 1 packages of requirements/master.lock\n" in built.completed.stderr
    assert checkout.python(SHOW_VERSIONS) == "1.0 0.1.0"
    exporter = checkout.python("import exporter; print(exporter.__file__)")
    assert Path(exporter).is_relative_to(checkout.folder)


def test_current_venv_is_not_changed(checkout: Checkout) -> None:
    checkout.marker.touch()
    assert checkout.make_venv("master").stderr == ""
    assert checkout.marker.exists()


def test_dev_level_adds_packages_and_is_kept_by_master_level(checkout: Checkout) -> None:
    checkout.marker.touch()
    assert checkout.make_venv("dev").returncode == 0
    assert checkout.make_venv("master").stderr == ""
    assert checkout.python("import checker; print(checker.version)") == "1.0"
    assert checkout.marker.exists()


@pytest.mark.verify
def test_changed_lock_file_recreates_venv(checkout: Checkout) -> None:
    checkout.make_venv("dev")
    checkout.marker.touch()
    checkout.write_lock("dev", colors="2.0")
    assert checkout.make_venv("master").returncode == 0
    assert not checkout.marker.exists()
    assert checkout.python(SHOW_VERSIONS) == "2.0 0.1.0"
    with pytest.raises(subprocess.CalledProcessError):
        checkout.python("import checker")


@pytest.mark.verify
def test_moved_checkout_recreates_venv(checkout: Checkout) -> None:
    checkout.marker.touch()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert checkout.make_venv("master").returncode == 0
    assert not checkout.marker.exists()


@pytest.mark.verify
def test_incomplete_venv_is_recreated(checkout: Checkout) -> None:
    """pip fails because a wheel does not match the lock file."""
    lock = checkout.folder / "requirements" / "master.lock"
    valid = lock.read_text()
    lock.write_text(valid.replace("sha256:", "sha256:0")[:-2] + "\n")
    failed = checkout.make_venv("master")
    assert failed.returncode == 2
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith(
        "deploy.make_venv: pip failed, see its output above: "
    )
    checkout.marker.touch()
    lock.write_text(valid)
    assert checkout.make_venv("master").returncode == 0
    assert not checkout.marker.exists()
