"""A machine to install on, which is an overlay of this machine that receives all writes."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.overlay import MOUNT_OVERLAY, Machine

ROOT = Path(__file__).parents[2]
TIMEOUT = 300.0

# The mount namespace ends with its last process. `policy-rc.d` prevents packages from starting
# their services.
SET_UP_SCRIPT = """
set -e
eval "$MOUNT_OVERLAY"
mount -t tmpfs tmpfs run
mount --rbind /dev dev
mkdir -p checkout
mount --bind "$CHECKOUT" checkout
printf '#!/bin/sh\\nexit 101\\n' > usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
echo ready
exec sleep infinity
"""


class OverlayMachine(Machine):
    """Overlay of this machine."""

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

    def path(self, name: str) -> Path:
        """Return a path that leads to a file of the machine, unless it is an absolute link."""
        return self._root / name.lstrip("/")

    def install(self, checkout: str = "/checkout") -> subprocess.CompletedProcess[str]:
        return self.run(self.python, "-m", "deploy.install_master", folder=checkout)

    @property
    def python(self) -> str:
        """Path of a python3 that every user may run."""
        for folder in ("/usr/bin", "/usr/local/bin"):
            if Path(folder, "python3").exists():
                return f"{folder}/python3"
        pytest.skip("no system python3")

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._enter_command, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def list_files(self) -> dict[str, str]:
        """Return the attributes of the files that an installation may change, by path."""
        folders = ("etc", "opt/pirack", "usr/local", "var/lib/pirack", "var/lib/dpkg")
        files = self.output_of("find", *(f"/{folder}" for folder in folders), "-type", "f", "-ls")
        return {
            line.split(maxsplit=10)[10]: " ".join(line.split()[2:7]) for line in files.splitlines()
        }


@contextmanager
def running_machine(folder: Path) -> Iterator[OverlayMachine]:
    """Run a machine until the end of the block."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None or shutil.which("nsenter") is None:
        pytest.skip("an overlay machine requires Debian, root and util-linux")
    layer = folder / "layer"
    layer.mkdir()
    with subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", SET_UP_SCRIPT],
        env={
            **os.environ,
            "LAYER": str(layer),
            "CHECKOUT": str(ROOT),
            "MOUNT_OVERLAY": MOUNT_OVERLAY,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as unshared:
        try:
            assert unshared.stdout is not None
            if unshared.stdout.readline() != "ready\n":
                _, errors = unshared.communicate()
                pytest.skip(f"cannot mount an overlay: {errors.strip()}")
            yield OverlayMachine(_wait_for_child(unshared.pid), layer / "root")
        finally:
            unshared.kill()


def _wait_for_child(pid: int) -> int:
    """Return the first child of a process."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(children[0])
    raise AssertionError("no child process")
