"""Install this checkout in a Debian root for aarch64, as the documentation describes.

The root contains two releases, because pip is too slow in the emulator: that of this checkout,
which is active, and a newer one, to which `git pull` and `install_master` upgrade.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.release import IGNORED_NAMES, RELEASE_CONTENTS
from tests.deploy.documented import code_block
from tests.emulated.cache import ROOT
from tests.emulated.foreign_programs import ForeignRoot

UPSTREAM = "/srv/pirack"
"""The repository that the master was cloned from. Its branch `newer` is the newer version."""

GUIDE = ROOT / "docs" / "how-to" / "real-rack.md"
_COMMAND_SECONDS = 1800.0


def install_master(base: Path, folder: Path) -> None:
    """Copy a Debian root to a new folder and install this checkout in it. Takes about 5 minutes.

    Raises:
        ForeignCommandError: If a documented command fails.
    """
    subprocess.run(
        ["cp", "--archive", "--reflink=auto", str(base), str(folder)],
        check=True,
        timeout=_COMMAND_SECONDS,
    )
    root = ForeignRoot(folder)
    _write_upstream(folder / UPSTREAM.lstrip("/"))
    packages = code_block(GUIDE, "Install the system of the master", "apt install")[-1]
    install = "\n".join(code_block(GUIDE, "Install PiRack", "install_master"))
    [install_again, _] = code_block(GUIDE, "Describe your rack", "install_master")
    layout = folder / "etc" / "pirack" / "rack.toml"

    _run(root, f"apt-get --quiet=2 update\n{packages}")
    _run(root, install.replace("git clone … pirack", f"git clone --quiet {UPSTREAM} pirack"))
    layout.write_text(
        layout.read_text(encoding="utf-8").replace('name = "pirack" ', 'name = "emulated" '),
        encoding="utf-8",
    )
    _run(root, f"cd pirack\ngit checkout --quiet newer\n{install_again}")
    _run(root, f"cd pirack\ngit checkout --quiet main\n{install_again}")
    _run(root, "apt-get --quiet=2 clean\nrm -rf /root/.cache /var/lib/apt/lists")


def _run(root: ForeignRoot, script: str) -> None:
    root.run("bash", "-euc", script, folder="/root", timeout=2 * _COMMAND_SECONDS)


def _write_upstream(folder: Path) -> None:
    """Write a repository with this checkout, and with a newer version in the branch `newer`."""
    for path in _checkout_files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    identity = ("-c", "user.name=PiRack", "-c", "user.email=pirack@localhost")

    def git(*arguments: str) -> None:
        command = ["git", "-C", str(folder), *identity, *arguments]
        subprocess.run(command, check=True, timeout=_COMMAND_SECONDS)

    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=This checkout")
    git("switch", "--quiet", "--create", "newer")
    readme = folder / "README.md"
    readme.write_text(f"{readme.read_text(encoding='utf-8')}\nA newer version.\n", encoding="utf-8")
    git("commit", "--quiet", "--all", "--message=A newer version")
    git("switch", "--quiet", "main")


def _checkout_files() -> Iterator[Path]:
    """Yield the files of this checkout that a release contains."""
    for name in RELEASE_CONTENTS:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not set(file.relative_to(ROOT).parts) & set(IGNORED_NAMES):
                yield file


def checkout_contents() -> Iterator[bytes]:
    """Yield the paths and contents of the files of this checkout that a release contains."""
    for file in _checkout_files():
        yield str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes()
