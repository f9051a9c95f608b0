"""Real OpenSSH servers, one an address, that let root in for a forced command alone.

They run in mount and PID namespaces of their own: an sshd of root wants the user `sshd`, a folder
in /run, and reads the start-up files of root's shell. All of them end with the first process there.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from tests.helpers.waiting import wait_until
from tools.programs import find

NAMESPACE_COMMAND = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""Runs a command with mounts and processes of its own, which end with it."""

SSHD_CONFIG = """
Port {port}
HostKey {host_key}
AuthorizedKeysFile {authorized_keys}
PermitRootLogin forced-commands-only
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile none
LogLevel DEBUG1
"""


def loopback_prefix() -> str:
    """Return the first two octets of this test process' own addresses."""
    return f"127.{130 + os.getpid() % 90}"


def create_host_key(folder: Path, name: str = "host_key") -> Path:
    """Make a host key, and return where it is; its public half has the suffix `.pub`."""
    path = folder / name
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(path))
    key.write_public_key(str(path.with_suffix(".pub")))
    path.chmod(0o600)
    return path


def skip_unless_sshd_can_run() -> None:
    """Skip the test where nobody may be given mounts of their own, which an sshd wants here."""
    if os.geteuid() != 0:
        pytest.skip("only root can run an OpenSSH server that lets root in")
    probe = subprocess.run(
        [*NAMESPACE_COMMAND, "mount", "-t", "tmpfs", "tmpfs", "/run"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if probe.returncode != 0:
        pytest.skip(f"no mounts of its own for an OpenSSH server: {probe.stderr.strip()}")


@contextmanager
def running_sshds(
    folder: Path, host_keys: Mapping[str, Path], port: int, authorized_keys: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve at each address with its host key until the block is left; needs root."""
    skip_unless_sshd_can_run()
    sshd = find("sshd")
    (folder / "authorized_keys").write_text("".join(f"{line}\n" for line in authorized_keys))
    others = [
        line
        for line in Path("/etc/passwd").read_text().splitlines()
        if line.partition(":")[0] not in {"root", "sshd"}
    ]
    own = [f"root:x:0:0::{folder}:/bin/sh", "sshd:x:65533:65534::/run/sshd:/bin/false"]
    (folder / "passwd").write_text("".join(f"{line}\n" for line in [*own, *others]))
    script = [
        "set -e",
        f"mount --bind {shlex.quote(str(folder / 'passwd'))} /etc/passwd",
        "mount -t tmpfs tmpfs /run",
        "mkdir -m 755 /run/sshd",
    ]
    for address, key in host_keys.items():
        file = folder / f"sshd_config_{address}"
        file.write_text(
            f"ListenAddress {address}\n"
            + SSHD_CONFIG.format(
                port=port, host_key=key, authorized_keys=folder / "authorized_keys"
            )
        )
        log = folder / f"sshd_{address}.log"
        script.append(f"{shlex.join([str(sshd.path), '-D', '-E', str(log), '-f', str(file)])} &")
    process = subprocess.Popen(
        [*NAMESPACE_COMMAND, "sh", "-c", "\n".join([*script, "wait"])],
        env=sshd.environment,
        stdin=subprocess.DEVNULL,
    )
    try:
        for address in host_keys:
            log = folder / f"sshd_{address}.log"
            wait_until(lambda log=log: log.exists() and "Server listening" in log.read_text())  # type: ignore[misc]
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()
