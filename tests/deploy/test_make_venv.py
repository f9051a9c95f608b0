"""`.venv` is made from a lock file: real venv and pip, on a small checkout of its own wheels."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from zipfile import ZipFile

import pytest

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
    """A checkout with a package of its own, and lock files over wheels that lie in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("exporter", "requirements", "wheels", ".tools"):
            (folder / name).mkdir(parents=True)
        (folder / "exporter" / "__init__.py").touch()
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "backend.py").write_text(BACKEND)
        # Where Python has no pip of its own, the one that was unpacked for PiRack serves here too.
        if (ROOT / ".tools" / "debian").is_dir():
            (folder / ".tools" / "debian").symlink_to(ROOT / ".tools" / "debian")
        self.write_lock("master", colours="1.0")
        self.write_lock("dev", colours="1.0", checker="1.0")

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
                "PIP_USER": "1",  # as some machines' configuration asks
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.folder / "wheels"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def python(self, code: str) -> str:
        """What `code` prints in `.venv`, run outside of the checkout."""
        python = self.folder / ".venv" / "bin" / "python"
        return subprocess.check_output([python, "-c", code], cwd="/", text=True, timeout=30).strip()

    @property
    def marker(self) -> Path:
        """A file that is gone when `.venv` is made anew."""
        return self.folder / ".venv" / "mark"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "pirack")


SHOW_VERSIONS = (
    "import colours, importlib.metadata as m; print(colours.version, m.version('pirack'))"
)


def test_a_venv_holds_what_the_lock_lists_and_pirack_itself(checkout: Checkout) -> None:
    made = checkout.make_venv("master")
    assert made.returncode == 0, made.stderr
    assert "Installing 1 packages of requirements/master.lock\n" in made.stderr
    assert checkout.python(SHOW_VERSIONS) == "1.0 0.1.0"
    exporter = checkout.python("import exporter; print(exporter.__file__)")
    assert Path(exporter).is_relative_to(checkout.folder)


def test_a_venv_that_is_as_wanted_is_left_alone(checkout: Checkout) -> None:
    checkout.make_venv("master")
    checkout.marker.touch()
    assert checkout.make_venv("master").stderr == ""
    assert checkout.marker.exists()


def test_the_developers_packages_come_on_top_and_stay(checkout: Checkout) -> None:
    checkout.make_venv("master")
    checkout.marker.touch()
    assert checkout.make_venv("dev").returncode == 0
    assert checkout.make_venv("master").stderr == ""
    assert checkout.python("import checker; print(checker.version)") == "1.0"
    assert checkout.marker.exists()


def test_a_changed_lock_makes_the_venv_anew(checkout: Checkout) -> None:
    checkout.make_venv("dev")
    checkout.marker.touch()
    checkout.write_lock("dev", colours="2.0")
    assert checkout.make_venv("master").returncode == 0
    assert not checkout.marker.exists()
    assert checkout.python(SHOW_VERSIONS) == "2.0 0.1.0"
    with pytest.raises(subprocess.CalledProcessError):
        checkout.python("import checker")


def test_a_checkout_that_was_moved_makes_its_venv_anew(checkout: Checkout) -> None:
    checkout.make_venv("master")
    checkout.marker.touch()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert checkout.make_venv("master").returncode == 0
    assert not checkout.marker.exists()


def test_what_was_not_finished_is_made_anew(checkout: Checkout) -> None:
    """As after a power cut: here pip fails, for the wheel is not what the lock says."""
    lock = checkout.folder / "requirements" / "master.lock"
    right = lock.read_text()
    lock.write_text(right.replace("sha256:", "sha256:0")[:-2] + "\n")
    failed = checkout.make_venv("master")
    assert failed.returncode == 2
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("pip failed, as it says above: ")
    checkout.marker.touch()
    lock.write_text(right)
    assert checkout.make_venv("master").returncode == 0
    assert not checkout.marker.exists()
