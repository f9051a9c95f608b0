"""Rasps with a real SSH server, each with overlays of /etc, /usr and /run.

A fake `systemctl` starts and stops the real exporter of the unit. Requires root and overlay mounts.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import psutil
import pytest
import requests

from tests.helpers.descendants import find_descendants
from tests.helpers.existing_files import read_existing
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until
from tools.debian_packages import DebianPackages, PackageError
from tools.programs import TOOLS_FOLDER, Program, find

EXPORTER_PORT = 9849

# Boot of a rasp: mount the overlays and start sshd. $STATE persists.
BOOT_SCRIPT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$OWN"
for folder in etc usr run; do
    mkdir -p "$OWN/$folder/upper" "$OWN/$folder/work"
    mount -t overlay -o "lowerdir=/$folder,upperdir=$OWN/$folder/upper,workdir=$OWN/$folder/work" \
        overlay "/$folder"
done
mkdir -p /run/sshd /etc/pirack /etc/systemd/system /usr/local/bin
grep -q ^sshd: /etc/passwd || echo sshd:x:499:65534::/run/sshd:/usr/sbin/nologin >> /etc/passwd
if [ -n "$RULE" ]; then
    cp -a "$SUDO/etc" "$SUDO/usr" /
    echo "pi:x:1234:1234::/run:/bin/sh" >> /etc/passwd
    echo "pi:*:19000::::::" >> /etc/shadow
    echo "$RULE" > /etc/sudoers.d/pi
fi
[ -z "$DISK" ] || mount -t tmpfs -o "size=$DISK" tmpfs /etc/pirack
install -m 755 "$STATE/systemctl" /usr/local/bin/
[ -z "$PYTHON" ] || install -m 755 "$PYTHON" /usr/local/bin/python3
install -m 644 "$KEYS" /run/keys
exec "$@"
"""

SYSTEMCTL_SCRIPT = """#!/bin/sh
state=STATE
unit=/etc/systemd/system/pirack-exporter.service
[ "$1" = --quiet ] && shift
end() {
    [ -s $state/pid ] || return 0
    kill -9 "$(cat $state/pid)" 2>/dev/null
    while grep -q -s '^State:.[^Z]' "/proc/$(cat $state/pid)/status"; do sleep 0.05; done
    rm $state/pid
}
if [ -e "$state/refuses-$1" ]; then
    echo "Job for pirack-exporter.service failed." >&2
    exit 1
fi
while [ -e "$state/hangs-at-$1" ]; do
    touch "$state/hung"
    kill -0 $PPID || exit 1
    sleep 0.05
done
case $1 in
    is-active) [ -s $state/pid ] ;;
    is-enabled) [ -e $state/enabled ] ;;
    enable) touch $state/enabled ;;
    disable) rm -f $state/enabled ;;
    stop) end ;;
    restart)
        end
        [ -e $unit ] || { echo "Unit pirack-exporter.service not found." >&2; exit 5; }
        command=$(sed -n 's/^ExecStart=//p' $unit)
        . /etc/pirack/exporter.env
        export LISTEN
        setsid /bin/sh -c "exec $command" </dev/null >$state/exporter.log 2>&1 &
        echo $! > $state/pid ;;
esac
"""


@dataclass(frozen=True)
class RaspOptions:
    """Options of a rasp.

    Attributes:
        disk: Size of the file system of /etc/pirack.
        python: Program to install as python3.
        rule: Rule of sudo. With a rule, the user is `pi` instead of root.
    """

    disk: str = ""
    python: str = ""
    rule: str = ""


class SshRasp:
    """A rasp with an SSH server."""

    def __init__(self, folder: Path, address: str) -> None:
        self.address = address
        self._folder = folder
        self._sshd: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        (folder / "own").mkdir()
        (folder / "systemctl").write_text(
            SYSTEMCTL_SCRIPT.replace("STATE", shlex.quote(str(folder)))
        )
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key.write_private_key(folder / "host_key")
        (folder / "host_key").chmod(0o600)

    def start(self, sshd: Program, port: int, keys: Path, rasp_options: RaspOptions) -> None:
        options = {
            "ListenAddress": f"{self.address}:{port}",
            "HostKey": self._folder / "host_key",
            "AuthorizedKeysFile": "/run/keys",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
        }
        arguments = [
            argument for name, value in options.items() for argument in ("-o", f"{name}={value}")
        ]
        variables = {
            "OWN": self._folder / "own",
            "STATE": self._folder,
            "KEYS": keys,
            "DISK": rasp_options.disk,
            "PYTHON": rasp_options.python,
            "SUDO": unpack_sudo() if rasp_options.rule else "",
            "RULE": rasp_options.rule,
        }
        with (self._folder / "sshd.log").open("wb") as log:
            self._sshd = subprocess.Popen(
                ["unshare", "--mount", "bash", "-c", BOOT_SCRIPT, "boot",
                 sshd.path, "-D", "-e", "-f", "/dev/null", *arguments],
                env=sshd.environment | {name: str(value) for name, value in variables.items()},
                stdout=log,
                stderr=log,
            )  # fmt: skip
        wait_until(lambda: self._is_listening() or self._has_exited())
        if self._has_exited():
            pytest.skip(f"this machine cannot run a rasp with overlays: {self.log}")

    def _is_listening(self) -> bool:
        return "Server listening" in self.log

    def _has_exited(self) -> bool:
        return self._sshd is None or self._sshd.poll() is not None

    @property
    def log(self) -> str:
        return (self._folder / "sshd.log").read_text(errors="replace")

    def path(self, name: str) -> Path:
        """Return a path that leads to a file of the rasp."""
        assert self._sshd is not None
        return Path(f"/proc/{self._sshd.pid}/root{name}")

    def deployed_files(self) -> dict[str, str]:
        """Return the contents of deployed and temporary files by path."""
        patterns = {
            "/usr/local/bin": "pirack-exporter*",
            "/etc/pirack": "*",
            "/etc/systemd/system": "pirack-exporter*",
        }
        return {
            f"{folder}/{file.name}": content.hex()
            for folder, pattern in patterns.items()
            for file, content in read_existing(self.path(folder).glob(pattern)).items()
        } | {
            f"{folder}/{file.name}": ""
            for folder in patterns
            for file in self.path(folder).glob(".*")
            if file.name.startswith(".deploy")
        }

    def flag_file(self, name: str) -> Path:
        """Return a file that controls the fake systemctl or is written by it."""
        return self._folder / name

    def metrics(self) -> str:
        try:
            return requests.get(
                f"http://{self.address}:{EXPORTER_PORT}/metrics", timeout=TIMEOUT_SECONDS
            ).text
        except requests.ConnectionError:
            return ""

    def kill_sessions(self) -> None:
        """Close the connections of all clients."""
        assert self._sshd is not None
        for session in find_descendants(
            psutil.Process(self._sshd.pid), lambda process: process.name() == "sshd"
        ):
            with suppress(psutil.NoSuchProcess):
                session.kill()

    def deploy_processes(self) -> list[psutil.Process]:
        assert self._sshd is not None
        return find_descendants(
            psutil.Process(self._sshd.pid),
            lambda process: "sys.stdin.buffer" in " ".join(process.cmdline()),
        )

    def close(self) -> None:
        for name in self._folder.glob("hangs-at-*"):
            name.unlink()
        if self._sshd is not None and self._sshd.poll() is None:
            for process in psutil.Process(self._sshd.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._sshd.kill()
            self._sshd.wait()
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.killpg(int((self._folder / "pid").read_text()), signal.SIGKILL)


class SshTestbed:
    """Rasps, and the home folder of a user who can log in to them."""

    def __init__(self, folder: Path, addresses: list[str], user: str) -> None:
        self.home = folder / "home"
        self.port = free_port(addresses[0])
        self.rasps = [SshRasp(folder / address, address) for address in addresses]
        (self.home / ".ssh").mkdir(parents=True)
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(self.home / ".ssh" / "id_ed25519")
        (self.home / ".ssh" / "id_ed25519").chmod(0o600)
        self.keys = folder / "authorized_keys"
        key.write_public_key(self.keys)
        (self.home / ".ssh" / "config").write_text(
            f"Host 127.* 10.*\n  User {user}\n  Port {self.port}\n"
        )
        self.write_known_hosts({rasp.address: rasp.host_key for rasp in self.rasps})

    def write_known_hosts(self, keys: dict[str, asyncssh.SSHKey]) -> None:
        (self.home / ".ssh" / "known_hosts").write_text(
            "".join(
                f"[{address}]:{self.port} {key.export_public_key().decode()}"
                for address, key in keys.items()
            )
        )

    def start(self, rasp_options: RaspOptions) -> None:
        for rasp in self.rasps:
            rasp.start(find("sshd"), self.port, self.keys, rasp_options)


def unpack_sudo() -> Path:
    """Return the folder of the unpacked sudo package."""
    try:
        return DebianPackages(TOOLS_FOLDER).unpack("sudo")
    except PackageError as error:
        pytest.skip(f"sudo is not available: {error}")


@contextmanager
def running_ssh_testbed(
    folder: Path, addresses: list[str], rasp_options: RaspOptions = RaspOptions()
) -> Iterator[SshTestbed]:
    """Run rasps until the end of the block."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounts of rasps require root")
    testbed = SshTestbed(folder, addresses, "pi" if rasp_options.rule else "root")
    try:
        testbed.start(rasp_options)
        yield testbed
    finally:
        for rasp in testbed.rasps:
            rasp.close()
