"""A machine that runs systemd: an overlay of this machine, in namespaces of its own.

Its processes, network, mounts and devices are separate from those of this machine.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.helpers.overlay import MOUNT_OVERLAY, Machine
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

_SYSTEMD = "/lib/systemd/systemd"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SET_UP_SCRIPT = """
set -e
echo $$ > "$CGROUP/cgroup.procs"
exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child bash -c '
set -e
eval "$MOUNT_OVERLAY"
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir -p run/systemd/system
echo "[Unit]" > run/systemd/system/test.target
ip link set lo up
pivot_root . mnt
cd /
umount --lazy mnt
exec env -i container=other "PATH=$SYSTEM_PATH" "$SYSTEMD" \\
    --system --unit=test.target --log-target=null --show-status=no < /dev/null
'
"""


class SystemdMachine(Machine):
    """A machine with systemd as the process `pid` of this machine."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program as root, outside of any service."""
        enter = ("nsenter", f"--target={self._pid}", "--mount", "--pid", "--net", "--ipc", "--uts")
        return subprocess.run(
            [*enter, "--cgroup", "--wd=/", "--", *command],
            env={"PATH": _PATH},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the machine."""
        file = Path(f"/proc/{self._pid}/root{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)


@contextmanager
def running_systemd(folder: Path) -> Iterator[SystemdMachine]:
    """Boot systemd, and end it with all its processes after the block."""
    if os.geteuid() != 0 or not Path(_SYSTEMD).exists() or shutil.which("nsenter") is None:
        pytest.skip("a machine with systemd requires root, systemd and util-linux")
    cgroup = _cgroup_root() / f"pirack-test-{os.getpid()}"
    layer = folder / "layer"
    layer.mkdir()
    try:
        cgroup.mkdir()
    except OSError as error:
        pytest.skip(f"cannot create a cgroup: {error}")
    variables = {"LAYER": str(layer), "CGROUP": str(cgroup), "MOUNT_OVERLAY": MOUNT_OVERLAY}
    variables |= {"SYSTEMD": _SYSTEMD, "SYSTEM_PATH": _PATH}
    with subprocess.Popen(
        ["bash", "-c", _SET_UP_SCRIPT],
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(
                lambda: process.poll() is not None or _systemd_below(process.pid) is not None
            )
            pid = _systemd_below(process.pid)
            if pid is None:
                assert process.stderr is not None
                pytest.skip(f"cannot run systemd: {process.stderr.read().strip()}")
            machine = SystemdMachine(pid)
            wait_until(lambda: machine.run("systemctl", "is-active", "test.target").returncode == 0)
            yield machine
        finally:
            process.kill()
    wait_until(lambda: _remove_cgroup(cgroup))


def _cgroup_root() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mountpoint, type_, *_ = line.split()
        if type_ == "cgroup2":
            return Path(mountpoint)
    pytest.skip("systemd requires cgroup v2")


def _systemd_below(pid: int) -> int | None:
    """Return the child of a process if the child is systemd."""
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return int(child)
    return None


def _remove_cgroup(cgroup: Path) -> bool:
    """Remove a cgroup. Return False while it contains processes."""
    try:
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
