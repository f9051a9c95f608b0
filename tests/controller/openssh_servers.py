"""OpenSSH servers that accept logins of root for a forced command only.

The servers run in a mount namespace, because sshd needs the user `sshd` and a folder in /run, and
reads the startup files of root's shell. The servers end with the first process of their PID
namespace.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until, worker_networks
from tools.programs import find

NAMESPACE_COMMAND = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""Prefix of commands that run in their own mount and PID namespace."""

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
    """Return the first two octets of the addresses of this test process."""
    return f"127.{worker_networks()[0]}"


def create_host_key(folder: Path, name: str = "host_key") -> Path:
    """Create a host key. Return its path. The public key has the suffix `.pub`."""
    path = folder / name
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(path))
    key.write_public_key(str(path.with_suffix(".pub")))
    path.chmod(0o600)
    return path


def skip_unless_sshd_can_run() -> None:
    """Skip the test if mount namespaces cannot be created."""
    if os.geteuid() != 0:
        pytest.skip("an OpenSSH server for root requires root")
    probe = subprocess.run(
        [*NAMESPACE_COMMAND, "mount", "-t", "tmpfs", "tmpfs", "/run"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if probe.returncode != 0:
        pytest.skip(f"mount namespaces are not available: {probe.stderr.strip()}")


@contextmanager
def running_sshds(
    folder: Path, host_keys: Mapping[str, Path], port: int, authorized_keys: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for each address with its host key. Requires root."""
    skip_unless_sshd_can_run()
    sshd = find("sshd")
    (folder / "authorized_keys").write_text("".join(f"{line}\n" for line in authorized_keys))
    other_users = [
        line
        for line in Path("/etc/passwd").read_text().splitlines()
        if line.partition(":")[0] not in {"root", "sshd"}
    ]
    users = [f"root:x:0:0::{folder}:/bin/sh", "sshd:x:65533:65534::/run/sshd:/bin/false"]
    (folder / "passwd").write_text("".join(f"{line}\n" for line in [*users, *other_users]))
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
