"""Make `.venv` from a lock file: `python3 -m deploy.make_venv LEVEL`, at the checkout's root.

Needs nothing but a bare `python3`: where Debian's python3 comes without `ensurepip`,
pip is taken from Debian's package of it, without root. What is installed is what the lock file
lists, hash by hash; the index is the one that this machine's pip configuration names. A `.venv`
that is as wanted is left alone; one that is not, or was not finished, is made anew.
"""

import argparse
import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import venv
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tools.debian_packages import DebianPackages, PackageError, exclusive

_log = logging.getLogger("make_venv")

PIP_TIMEOUT = 1800.0
PIP_FLAGS = ("-qq", "--no-input", "--disable-pip-version-check")
PIP_HINT = "install Debian's python3-venv, or a Python that has ensurepip"


class VenvError(Exception):
    """`.venv` cannot be made; the text is one line with its mend."""


@dataclass(frozen=True)
class Stamp:
    """What a finished `.venv` was made from; kept in it, and absent while it is being made."""

    level: str
    lock: str
    project: str
    python: str
    checkout: str

    @classmethod
    def expected(cls, checkout: Path, level: str) -> "Stamp":
        """Return the stamp of a `.venv` made now."""
        return cls(
            level=level,
            lock=_digest(checkout / "requirements" / f"{level}.lock"),
            # The version stands in the exporter.
            project=_digest(checkout / "pyproject.toml", checkout / "exporter" / "__init__.py"),
            python=f"{sys.version} at {sys.base_prefix}",
            checkout=str(checkout),
        )

    @classmethod
    def load(cls, environment: Path) -> "Stamp | None":
        """Return the stamp in `environment`, or None if it is not there or not finished."""
        try:
            return cls(**json.loads(cls.path(environment).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def differs_only_in_project(self, other: "Stamp") -> bool:
        """Tell whether all but PiRack itself is as in `other`."""
        return replace(self, project=other.project) == other

    @staticmethod
    def path(environment: Path) -> Path:
        """Return where the stamp of `environment` is kept."""
        return environment / "pirack-stamp.json"


def make(checkout: Path, level: str) -> None:
    """Bring `.venv` in `checkout` to `level`, `master` or `dev`, if it is not there already.

    Raises:
        MakeError, PackageError: there is no pip to be had, or pip failed.
    """
    environment = checkout / ".venv"
    present = Stamp.load(environment)
    # `dev` holds all of `master`: once there, `make demo` and `make test` share it.
    if present is not None and present.level == "dev":
        level = "dev"
    wanted = Stamp.expected(checkout, level)
    if present == wanted:
        return
    Stamp.path(environment).unlink(missing_ok=True)
    python = environment / "bin" / "python"
    if present is not None and present.differs_only_in_project(
        Stamp.expected(checkout, present.level)
    ):
        installed = present.level
    else:
        _create_venv(environment, python, checkout / ".tools")
        installed = ""
    if installed != level:
        lock = checkout / "requirements" / f"{level}.lock"
        _log.info("Installing %d packages of %s", _count_packages(lock), lock.relative_to(checkout))
        _pip(python, "--require-hashes", "--requirement", str(lock))
    _log.info("Installing PiRack itself, as this checkout has it")
    _pip(python, "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(checkout))
    Stamp.path(environment).write_text(json.dumps(asdict(wanted)), encoding="utf-8")


def _create_venv(environment: Path, python: Path, tools: Path) -> None:
    _log.info("Making .venv with Python %s", sys.version.partition(" ")[0])
    venv.create(environment, clear=True, symlinks=True, with_pip=False)
    if importlib.util.find_spec("ensurepip") is not None:
        _run([str(python), "-I", "-m", "ensurepip"])
        return
    try:
        wheels = DebianPackages(tools).unpack("python3-pip-whl") / "usr" / "share" / "python-wheels"
    except PackageError as error:
        raise VenvError(f"this Python has no pip, and {error}: {PIP_HINT}") from error
    wheel = max(wheels.glob("pip-*.whl"), default=None)
    if wheel is None:
        raise VenvError(f"this Python has no pip, nor has Debian's python3-pip-whl: {PIP_HINT}")
    _run([str(python), "-I", f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)])


def _pip(python: Path, *arguments: str) -> None:
    _run([str(python), "-I", "-m", "pip", "install", *PIP_FLAGS, *arguments])


def _run(command: list[str]) -> None:
    # PIP_USER: a machine's pip configuration may ask for it, and in a .venv it is refused.
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
            "pip failed, as it says above: see to it that this machine reaches its package index "
            "(`pip config list`, or PyPI), and try again"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise VenvError(
            f"pip was not done after {PIP_TIMEOUT:.0f} s: try again, what it fetched is kept"
        ) from error


def _count_packages(lock: Path) -> int:
    return sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def main() -> int:
    """Make `.venv` for the checkout in the working directory; 2 with one line if it cannot be."""
    parser = argparse.ArgumentParser(
        prog="python3 -m deploy.make_venv", description="Make .venv from requirements/LEVEL.lock."
    )
    parser.add_argument("level", choices=("master", "dev"), metavar="LEVEL", help="master or dev")
    level = parser.parse_args().level
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    checkout = Path.cwd()
    try:
        with exclusive(checkout / ".tools" / "venv.lock"):
            make(checkout, level)
    except (VenvError, PackageError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
