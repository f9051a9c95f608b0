"""Build a release of PiRack on a master: a folder with its own Python environment."""

import hashlib
import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.system import run

CHECKOUT = Path(__file__).resolve().parent.parent
RELEASES = Path("/opt/pirack/releases")

RELEASE_CONTENTS = (
    "cli",
    "controller",
    "deploy",
    "dhcp_installer",
    "docs",
    "exporter",
    "grafana",
    "prometheus",
    "rack",
    "requirements",
    "tools",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "rack.toml",
)
IGNORED_NAMES = ("__pycache__", "node_modules", "targets")

_log = logging.getLogger("install_master")


def make_release() -> Path:
    """Build the release of this checkout, if necessary. Return its folder.

    Raises:
        MasterSetupError: If a step fails. The next call builds the release again.
    """
    release = RELEASES / f"{_version()}-{_digest()[:12]}"
    finished = release / ".finished"
    if finished.exists():
        return release
    _log.info("Building %s", release)
    shutil.rmtree(release, ignore_errors=True)
    release.mkdir(parents=True)
    for name in RELEASE_CONTENTS:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, release / name, ignore=shutil.ignore_patterns(*IGNORED_NAMES))
        else:
            shutil.copy(source, release / name)
    run(sys.executable, "-m", "deploy.make_venv", "master", cwd=release)
    run_python(release, "-m", "deploy.make_pyz")
    run_python(
        release, "-m", "compileall", "-q", *(name for name in RELEASE_CONTENTS if "." not in name)
    )
    finished.touch()
    return release


def run_python(release: Path, *arguments: str) -> None:
    """Run the Python of a release. Raise `MasterSetupError` if it fails."""
    run(str(release / ".venv" / "bin" / "python"), *arguments, cwd=release)


def _version() -> str:
    text = (CHECKOUT / "exporter" / "__init__.py").read_text(encoding="utf-8")
    return text.split('__version__ = "')[1].split('"')[0]


def _digest() -> str:
    """Return a hash of this checkout and the version of Python."""
    digest = hashlib.sha256(sys.version.encode())
    for file in _source_files():
        digest.update(str(file.relative_to(CHECKOUT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for name in RELEASE_CONTENTS:
        path = CHECKOUT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not set(file.relative_to(CHECKOUT).parts) & set(IGNORED_NAMES):
                yield file
