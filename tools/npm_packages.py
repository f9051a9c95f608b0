"""Download npm packages into `.tools/npm/`."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.debian_packages import exclusive
from tools.programs import TOOLS_FOLDER, ProgramError

_SECONDS = 600.0


def install(sources: Path, name: str) -> Path:
    """Return a folder with the packages of a lock file. Download them if the file has changed.

    The folder is a copy of `sources` with `node_modules`.

    Raises:
        ProgramError: If npm is not installed or cannot download the packages.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ProgramError("npm is not installed: install Debian's package npm")
    lock = hashlib.sha256((sources / "package-lock.json").read_bytes()).hexdigest()
    folder = TOOLS_FOLDER / "npm" / f"{name}-{lock[:16]}"
    with exclusive(TOOLS_FOLDER / "lock"):
        if not folder.is_dir():
            folder.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="unfinished-", dir=TOOLS_FOLDER) as scratch:
                downloaded = Path(scratch, name)
                shutil.copytree(sources, downloaded, ignore=shutil.ignore_patterns("node_modules"))
                _download(npm, downloaded)
                downloaded.rename(folder)
    return folder


def _download(npm: str, folder: Path) -> None:
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ProgramError(f"npm cannot download {folder.name}: {done.stdout.strip()[-300:]}")
