"""What else runs a command on many machines at once: clush and pdsh, as Debian has them."""

import ctypes
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.debian_packages import DebianPackages
from tools.programs import TOOLS_FOLDER, find

FANOUT = 64  # at least all at once
_CLONE_NEWNS = 0x00020000
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class ParallelShell:
    """A parallel shell, ready to run its command line."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]

    def run(self) -> None:
        """Run the command on all machines once."""
        subprocess.run(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            timeout=_TIMEOUT_SECONDS,
        )


def ssh_options(folder: Path, port: int, *extra_settings: str) -> list[str]:
    """What `ssh` is told: our key and our host keys, and nothing of this machine's."""
    settings = [
        f"UserKnownHostsFile={folder / 'known_hosts'}",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        *extra_settings,
    ]
    return [
        *("-F", "none", "-i", str(folder / "id_ed25519"), "-p", str(port)),
        *(word for setting in settings for word in ("-o", setting)),
    ]


def clush(
    name: str, addresses: Sequence[str], options: Sequence[str], command: str
) -> ParallelShell:
    """Debian's clustershell."""
    tree = DebianPackages(TOOLS_FOLDER).unpack("clustershell")
    here = shutil.which("clush")
    return ParallelShell(
        name,
        [
            *([here] if here else ["/usr/bin/python3", str(tree / "usr/bin/clush")]),
            *("-S", "-f", str(FANOUT), "-l", "root", "-w", ",".join(addresses)),
            *("-o", shlex.join(options), command),
        ],
        _environment(PYTHONPATH="" if here else str(tree / "usr/lib/python3/dist-packages")),
    )


def pdsh(
    name: str, addresses: Sequence[str], options: Sequence[str], command: str
) -> ParallelShell:
    """Debian's pdsh, which looks for its modules where the package would have put them."""
    here = shutil.which("pdsh")
    program = Path(here) if here else _unpacked_pdsh()
    return ParallelShell(
        name,
        [
            *(str(program), "-S", "-R", "ssh", "-f", str(FANOUT), "-l", "root"),
            *("-w", ",".join(addresses), command),
        ],
        _environment(PDSH_SSH_ARGS_APPEND=shlex.join(options)),
    )


def _unpacked_pdsh() -> Path:
    tree = DebianPackages(TOOLS_FOLDER).unpack("pdsh")
    (modules,) = tree.glob("usr/lib/*-linux-gnu")
    there = Path("/") / modules.relative_to(tree)
    # In a mount namespace of this process' own, so that the machine stays as it is.
    if ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
        raise PermissionError("only root can let the unpacked pdsh find its modules")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={modules}:{there}", str(there)],
        check=True,
    )
    # It must be called pdsh, and the package's own file of that name is a script around it.
    program = tree / "usr/lib/pdsh"
    if not program.exists():
        shutil.copy(tree / "usr/bin/pdsh.bin", program)
    return program


def _environment(**settings: str) -> dict[str, str]:
    return {**os.environ, **find("ssh").extra_environment, **settings}
