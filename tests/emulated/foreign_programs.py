"""Run programs of another architecture with qemu-user, and commands in a root of such programs.

The kernel starts qemu-user for these programs in a user namespace only (Linux 6.7 or newer), so
that the machine does not change. All users are mapped to themselves.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_until
from tools.programs import find

# Magic number and mask of 64-bit little-endian ELF programs for aarch64, see binfmt_misc of Linux.
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
_ALL_IDS = "0 0 4294967295"
_ENTER_SCRIPT = """
set -e
read -r _
mount --make-rprivate /
formats=/proc/sys/fs/binfmt_misc
if [ ! -e $formats/qemu-aarch64 ]; then
    mount -t binfmt_misc binfmt_misc $formats
    printf "%s" "$BINARY_FORMAT" > $formats/register
fi
unset BINARY_FORMAT
exec "$@" < /dev/null
"""
# The root uses the name servers, certificates and package index of this machine.
_CHROOT_SCRIPT = """
set -e
root=$1; folder=$2; shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
    if [ -e "$file" ] && [ -d "$root${file%/*}" ]; then
        touch "$root$file"
        mount --bind "$file" "$root$file"
    fi
done
if [ -n "$CHECKOUT" ]; then
    mkdir -p "$root/checkout"
    mount --bind "$CHECKOUT" "$root/checkout"
fi
unset CHECKOUT
chroot "$root" sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
exit  # bash stays the first process of its namespace, and reaps orphans
"""
_NAMESPACES = ("--user", "--mount", "--pid", "--fork", "--kill-child")
_ENDS_WITH_THE_TESTS = ("setpriv", "--pdeathsig", "KILL")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN_LINES = 200
_INDEX_VARIABLES = ("PIP_", "http_proxy", "https_proxy", "no_proxy")


class ForeignCommandError(Exception):
    """A command of another architecture failed. The message contains the end of its output."""


def run_foreign(
    *command: str, environment: Mapping[str, str], timeout: float, log: Path | None = None
) -> str:
    """Run a command that may start programs for aarch64. Return its output.

    Args:
        command: A program of this machine and its arguments.
        environment: Environment of the command.
        timeout: Seconds after which all processes of the command are killed.
        log: File that receives the output.

    Raises:
        ForeignCommandError: If the command fails or exceeds the timeout.
    """
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("programs for aarch64 require root and util-linux")
    interpreter = find("qemu-aarch64-static").path
    binary_format = f":qemu-aarch64:M::{_MAGIC}:{_MASK}:{interpreter}:OCF"
    with subprocess.Popen(
        [
            *_ENDS_WITH_THE_TESTS,
            "unshare",
            *_NAMESPACES,
            "bash",
            "-c",
            _ENTER_SCRIPT,
            "bash",
            *command,
        ],
        env={**environment, "BINARY_FORMAT": binary_format},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            _map_all_ids(process)
            output, _ = process.communicate("\n", timeout=timeout)
        except subprocess.TimeoutExpired:
            raise ForeignCommandError(f"{command[-1]} did not finish in {timeout:.0f} s") from None
        finally:
            process.kill()
    if log is not None:
        log.write_text(output, encoding="utf-8")
    if process.returncode != 0:
        end = "\n".join(output.splitlines()[-_SHOWN_LINES:])
        raise ForeignCommandError(f"{command[-1]}: exit status {process.returncode}\n{end}")
    return output


def _map_all_ids(process: "subprocess.Popen[str]") -> None:
    """Map all users and groups of a new user namespace to themselves."""
    own = os.stat("/proc/self/ns/user").st_ino  # noqa: PTH116
    proc = Path(f"/proc/{process.pid}")

    def is_separate() -> bool:
        return process.poll() is not None or (proc / "ns" / "user").stat().st_ino != own

    wait_until(is_separate)
    with suppress(FileNotFoundError):  # the process failed, and its output contains the reason
        (proc / "uid_map").write_text(_ALL_IDS, encoding="ascii")
        (proc / "gid_map").write_text(_ALL_IDS, encoding="ascii")


class ForeignRoot:
    """The root of a Debian system for aarch64."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self,
        *command: str,
        folder: str = "/",
        checkout: Path | None = None,
        variables: Mapping[str, str] | None = None,
        timeout: float = 1800.0,
    ) -> str:
        """Run a command as root in the system. Return its output.

        Args:
            command: A program of the system and its arguments.
            folder: Folder of the command.
            checkout: A folder of this machine that is mounted at `/checkout`.
            variables: Additional environment variables.
            timeout: Seconds after which the command is killed.

        Raises:
            ForeignCommandError: If the command fails or exceeds the timeout.
        """
        index = {
            name: value
            for name, value in os.environ.items()
            if name.lower().startswith(_INDEX_VARIABLES) or name.startswith(_INDEX_VARIABLES)
        }
        environment = {
            "PATH": _PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            **index,
            **(variables or {}),
            "CHECKOUT": "" if checkout is None else str(checkout),
        }
        enter = ("bash", "-c", _CHROOT_SCRIPT, "bash", str(self.path), folder)
        return run_foreign(*enter, *command, environment=environment, timeout=timeout)
