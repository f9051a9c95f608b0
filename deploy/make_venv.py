"""Create `.venv` from a lock file.

`python3 -m deploy.make_venv LEVEL` in the checkout requires only python3. If python3 has no wheel
of pip, pip is unpacked from its Debian package without root. pip verifies the hashes of the
lock file and uses the index of its configuration. An up-to-date `.venv` is not changed. An outdated
or incomplete `.venv` is created again.
"""

import argparse
import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zipfile import ZipFile

from deploy.system import run_main
from rack.errors import PiRackError
from tools.debian_packages import DebianPackages, PackageError, exclusive

_log = logging.getLogger("make_venv")

PIP_TIMEOUT = 1800.0
PIP_FLAGS = ("-qq", "--no-input", "--disable-pip-version-check")
PIP_HINT = "install Debian's python3-venv, or a Python with ensurepip"


class VenvError(PiRackError):
    """`.venv` cannot be created."""


@dataclass(frozen=True)
class Stamp:
    """Inputs of a complete `.venv`, stored in it."""

    level: str
    lock: str
    project: str
    python: str
    checkout: str

    @classmethod
    def expected(cls, checkout: Path, level: str) -> "Stamp":
        """Return the stamp of an up-to-date `.venv`."""
        return cls(
            level=level,
            lock=_digest(checkout / "requirements" / f"{level}.lock"),
            # The exporter contains the version.
            project=_digest(checkout / "pyproject.toml", checkout / "exporter" / "__init__.py"),
            python=f"{sys.version} at {sys.base_prefix}",
            checkout=str(checkout),
        )

    @classmethod
    def load(cls, environment: Path) -> "Stamp | None":
        """Return the stamp in `environment`, or None if it is missing or incomplete."""
        try:
            return cls(**json.loads(cls.path(environment).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def differs_only_in_project(self, other: "Stamp") -> bool:
        """Return whether the stamps agree except for PiRack itself."""
        return replace(self, project=other.project) == other

    @staticmethod
    def path(environment: Path) -> Path:
        """Return the path of the stamp in `environment`."""
        return environment / "pirack-stamp.json"


def make(checkout: Path, level: str) -> None:
    """Create or update the `.venv` of a checkout for a level, `master` or `dev`.

    Raises:
        VenvError, PackageError: If pip is not available or fails.
    """
    environment = checkout / ".venv"
    present = Stamp.load(environment)
    # `dev` includes `master`, so that `make demo` and `make test` share one `.venv`.
    if present is not None and present.level == "dev":
        level = "dev"
    expected = Stamp.expected(checkout, level)
    if present == expected:
        return
    Stamp.path(environment).unlink(missing_ok=True)
    python = environment / "bin" / "python"
    if present is not None and present.differs_only_in_project(
        Stamp.expected(checkout, present.level)
    ):
        installed = present.level
    else:
        _create_venv(environment, checkout / ".tools")
        installed = ""
    if installed != level:
        lock = checkout / "requirements" / f"{level}.lock"
        _log.info("Installing %d packages of %s", _count_packages(lock), lock.relative_to(checkout))
        _pip(python, "--require-hashes", "--requirement", str(lock))
    _log.info("Installing PiRack from this checkout")
    _pip(python, "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(checkout))
    Stamp.path(environment).write_text(json.dumps(asdict(expected)), encoding="utf-8")


def _create_venv(environment: Path, tools: Path) -> None:
    _log.info("Creating .venv with Python %s", sys.version.partition(" ")[0])
    venv.create(environment, clear=True, symlinks=True, with_pip=False)
    # In a tenth of the time of ensurepip. pip then compiles only the modules that it uses.
    packages = sysconfig.get_path("purelib", "venv", {"base": str(environment)})
    with ZipFile(_pip_wheel(tools)) as wheel:
        wheel.extractall(packages)


def _pip_wheel(tools: Path) -> Path:
    """Return the wheel of pip that this Python has for ensurepip, or the one of Debian."""
    folders = [Path(folder) for folder in [sysconfig.get_config_var("WHEEL_PKG_DIR")] if folder]
    if (ensurepip := importlib.util.find_spec("ensurepip")) and ensurepip.origin:
        folders.append(Path(ensurepip.origin).with_name("_bundled"))
    if wheels := [wheel for folder in folders for wheel in folder.glob("pip-*.whl")]:
        return wheels[0]
    try:
        folder = DebianPackages(tools).unpack("python3-pip-whl") / "usr" / "share" / "python-wheels"
    except PackageError as error:
        raise VenvError(f"pip is missing, and {error}: {PIP_HINT}") from error
    if wheel := max(folder.glob("pip-*.whl"), default=None):
        return wheel
    raise VenvError(f"pip is missing, also in Debian's python3-pip-whl: {PIP_HINT}")


def _pip(python: Path, *arguments: str) -> None:
    _run([str(python), "-I", "-m", "pip", "install", *PIP_FLAGS, *arguments])


def _run(command: list[str]) -> None:
    # pip rejects the option `user` in a .venv, but its configuration may set it.
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PIP_USER": "0"},
            timeout=PIP_TIMEOUT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise VenvError(
            "pip failed, see its output above: check the connection to the package index "
            "(`pip config list`, or PyPI), and try again"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise VenvError(
            f"pip did not finish within {PIP_TIMEOUT:.0f} s: try again, pip has cached downloads"
        ) from error


def _count_packages(lock: Path) -> int:
    return sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def main() -> int:
    """Create the `.venv` of the current folder. Return 2 on failure."""
    parser = argparse.ArgumentParser(
        prog="python3 -m deploy.make_venv", description="Create .venv from requirements/LEVEL.lock."
    )
    parser.add_argument("level", choices=("master", "dev"), metavar="LEVEL", help="master or dev")
    level = parser.parse_args().level
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_main("deploy.make_venv", lambda: _make_exclusively(Path.cwd(), level))


def _make_exclusively(checkout: Path, level: str) -> None:
    try:
        with exclusive(checkout / ".tools" / "venv.lock"):
            make(checkout, level)
    except PackageError as error:
        raise VenvError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
