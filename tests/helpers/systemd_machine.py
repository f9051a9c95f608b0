"""A machine that runs systemd: an overlay of this machine, in namespaces of its own.

Its processes, network, mounts and devices are separate from those of this machine, and the overlay
receives all writes.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until
from tools.programs import ProgramError, find

_RUN_SECONDS = 900.0
"""Bound of a program, on two cores with a load average of 8. An installation takes 30 s at rest."""

_CHECKOUT = Path(__file__).parents[2]
_SYSTEMD = "/lib/systemd/systemd"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SET_UP_SCRIPT = """
set -e
echo $$ > "$CGROUP/cgroup.procs"
exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child bash -c '
set -e
mount --make-rprivate /
mount -t tmpfs -o size=2g tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root"
mount -t overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" overlay "$LAYER/root"
cd "$LAYER/root"
mount -t proc proc proc
mount -t tmpfs tmpfs tmp
mkdir -p "./$CHECKOUT"  # if it is in /tmp
mount --bind -o ro "$CHECKOUT" "./$CHECKOUT"
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir -p run/systemd/system run/lock
echo "[Unit]" > run/systemd/system/test.target
ip link set lo up
pivot_root . mnt
cd /
umount --lazy mnt
exec env -i container=other "PATH=$SYSTEM_PATH" "$SYSTEMD" \\
    --system --unit=test.target --log-target=null --show-status=no < /dev/null
'
"""
# pasta must not see the process of the machine, but only its network namespace.
_CONNECT_SCRIPT = """
set -e
touch "$LAYER.network"
mount --bind "/proc/$0/ns/net" "$LAYER.network"
exec "$PASTA" --foreground --quiet --runas 0 --netns-only --no-map-gw --config-net \\
    --ns-ifname uplink --tcp-ports none --udp-ports none --tcp-ns none --udp-ns none \\
    --netns "$LAYER.network"
"""


class SystemdMachine:
    """A machine with systemd as the process `pid` of this machine."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        namespaces = ("--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup")
        self._enter_command = ["nsenter", f"--target={pid}", *namespaces, "--"]
        self._root = Path(f"/proc/{pid}/root")

    def run(
        self, *command: str, folder: str = "/", typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as root, outside of any service. `typed` is its standard input."""
        return subprocess.run(
            [*self._enter_command, "env", f"--chdir={folder}", *command],
            env={"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            input=typed,
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )

    def output_of(self, *command: str, folder: str = "/") -> str:
        """Return the output of a successful program."""
        completed = self.run(*command, folder=folder)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def path(self, name: str) -> Path:
        """Return a path that leads to a file of the machine, unless it is an absolute link."""
        return self._root / name.lstrip("/")

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file of the machine."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def main_pid(self, unit: str) -> int:
        """Return the main process of a service."""
        return int(self.output_of("systemctl", "show", "--value", "--property=MainPID", unit))

    def wait_until_active(self, *units: str) -> None:
        """Wait until units run."""
        wait_until(lambda: self.run("systemctl", "is-active", *units).returncode == 0)


@contextmanager
def running_systemd(folder: Path, *, has_uplink: bool = False) -> Iterator[SystemdMachine]:
    """Boot systemd, and end it with all its processes after the block.

    Args:
        folder: Folder for the writes of the machine.
        has_uplink: Whether the machine reaches the networks of this machine.
    """
    if os.geteuid() != 0 or not Path(_SYSTEMD).exists() or shutil.which("nsenter") is None:
        pytest.skip("a machine with systemd requires root, systemd and util-linux")
    layer = folder / "layer"
    layer.mkdir()
    try:
        cgroup = Path(tempfile.mkdtemp(prefix="pirack-test-", dir=_cgroup_root()))
    except OSError as error:
        pytest.skip(f"cannot create a cgroup: {error}")
    variables = {"LAYER": str(layer), "CGROUP": str(cgroup), "CHECKOUT": str(_CHECKOUT)}
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
            machine.wait_until_active("test.target")
            with _uplink(machine, pid, layer) if has_uplink else nullcontext():
                yield machine
        finally:
            process.kill()
    wait_until(lambda: _remove_cgroup(cgroup))


@contextmanager
def _uplink(machine: SystemdMachine, pid: int, layer: Path) -> Iterator[None]:
    """Connect the machine to the networks of this machine through sockets of a process."""
    try:
        pasta = find("pasta").path
    except ProgramError as error:
        pytest.skip(f"the machine cannot reach a package index: {error}")
    with subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", _CONNECT_SCRIPT, str(pid)],
        env={**os.environ, "LAYER": str(layer), "PASTA": str(pasta)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(
                lambda: process.poll() is not None or "default" in machine.output_of("ip", "route")
            )
            if process.poll() is not None:
                assert process.stderr is not None
                pytest.skip(f"cannot connect the machine: {process.stderr.read().strip()}")
            yield
        finally:
            process.kill()


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
