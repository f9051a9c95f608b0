"""A machine to install on: this one, with a layer over it that takes all that is written."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT = 300.0

# A mount namespace of its own, so that all of it goes with its last process. `policy-rc.d` keeps
# packages from starting their services, as for whoever makes an image.
SET_UP_SCRIPT = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=2g tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root"
mount -t overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" overlay "$LAYER/root"
cd "$LAYER/root"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mkdir -p checkout
mount --bind "$CHECKOUT" checkout
printf '#!/bin/sh\\nexit 101\\n' > usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
echo made
exec sleep infinity
"""


class OverlayMachine:
    """A machine that is not this one, though it looks like it."""

    def __init__(self, pid: int, root: Path) -> None:
        self._enter_command = [
            "nsenter",
            f"--target={pid}",
            "--mount",
            "--pid",
            "chroot",
            str(root),
        ]
        self._root = Path(f"/proc/{pid}/root") / root.relative_to("/")

    def run(self, *command: str, folder: str = "/") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._enter_command, "sh", "-c", 'cd "$0" && exec "$@"', folder, *command],
            env={**os.environ, "HOME": "/root", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def output_of(self, *command: str) -> str:
        """What a program says that goes well."""
        ended = self.run(*command)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def path(self, name: str) -> Path:
        """A file of the machine's as seen from here; absolute links lead astray."""
        return self._root / name.lstrip("/")

    def install(self, checkout: str = "/checkout") -> subprocess.CompletedProcess[str]:
        return self.run(self.python, "-m", "deploy.install_master", folder=checkout)

    @property
    def python(self) -> str:
        """The python3 of the machine that others than root may run, too."""
        for folder in ("/usr/bin", "/usr/local/bin"):
            if Path(folder, "python3").exists():
                return f"{folder}/python3"
        pytest.skip("no python3 of the system's here")

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._enter_command, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def list_files(self) -> dict[str, str]:
        """Each file that an install is about: what it is, and what is in it."""
        folders = ("etc", "opt/pirack", "usr/local", "var/lib/pirack", "var/lib/dpkg")
        files = self.output_of("find", *(f"/{folder}" for folder in folders), "-type", "f", "-ls")
        return {
            line.split(maxsplit=10)[10]: " ".join(line.split()[2:7]) for line in files.splitlines()
        }


@contextmanager
def running_machine(folder: Path) -> Iterator[OverlayMachine]:
    """Give a machine; it is gone after the block, with all that was installed on it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None or shutil.which("nsenter") is None:
        pytest.skip("a Debian with a layer over it: needs Debian, root and util-linux")
    layer = folder / "layer"
    layer.mkdir()
    with subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", SET_UP_SCRIPT],
        env={**os.environ, "LAYER": str(layer), "CHECKOUT": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as unshared:
        try:
            assert unshared.stdout is not None
            if unshared.stdout.readline() != "made\n":
                _, told = unshared.communicate()
                pytest.skip(f"no layer over this machine: {told.strip()}")
            yield OverlayMachine(_wait_for_child(unshared.pid), layer / "root")
        finally:
            unshared.kill()


def _wait_for_child(pid: int) -> int:
    """The one process that a process has started."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(children[0])
    raise AssertionError("nothing was started")
