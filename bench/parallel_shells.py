"""Run a command on many machines with clush and pdsh from Debian."""

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

FANOUT = 64  # not less than the number of rasps
_CLONE_NEWNS = 0x00020000
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class ParallelShell:
    """Command line of a parallel shell."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]

    def run(self) -> None:
        """Run the command once on all machines."""
        subprocess.run(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            timeout=_TIMEOUT_SECONDS,
        )


def ssh_options(folder: Path, port: int, *extra_settings: str) -> list[str]:
    """Return `ssh` options that use the keys in a folder and ignore this machine's settings."""
    settings = [
        f"UserKnownHostsFile={folder / 'known_hosts'}",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        *extra_settings,
    ]
    return [
        *("-F", "none", "-i", str(folder / "id_ed25519"), "-p", str(port)),
        *(argument for setting in settings for argument in ("-o", setting)),
    ]


def clush(
    name: str, addresses: Sequence[str], options: Sequence[str], command: str
) -> ParallelShell:
    """Return clush from Debian's package clustershell."""
    tree = DebianPackages(TOOLS_FOLDER).unpack("clustershell")
    installed = shutil.which("clush")
    return ParallelShell(
        name,
        [
            *([installed] if installed else ["/usr/bin/python3", str(tree / "usr/bin/clush")]),
            *("-S", "-f", str(FANOUT), "-l", "root", "-w", ",".join(addresses)),
            *("-o", shlex.join(options), command),
        ],
        _environment(PYTHONPATH="" if installed else str(tree / "usr/lib/python3/dist-packages")),
    )


def pdsh(
    name: str, addresses: Sequence[str], options: Sequence[str], command: str
) -> ParallelShell:
    """Return pdsh from Debian's package."""
    installed = shutil.which("pdsh")
    program = Path(installed) if installed else _unpacked_pdsh()
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
    module_folder = Path("/") / modules.relative_to(tree)
    # pdsh searches for modules in this folder only. Mount the modules in a new mount namespace, so
    # that the machine does not change.
    if ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0:
        raise PermissionError("cannot mount the modules of pdsh: run this as root, or install pdsh")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(
        [
            "mount",
            "-t",
            "overlay",
            "overlay",
            "-o",
            f"lowerdir={modules}:{module_folder}",
            str(module_folder),
        ],
        check=True,
    )
    # The program must be named pdsh, but the package's file with that name is a wrapper script.
    program = tree / "usr/lib/pdsh"
    if not program.exists():
        shutil.copy(tree / "usr/bin/pdsh.bin", program)
    return program


def _environment(**settings: str) -> dict[str, str]:
    return {**os.environ, **find("ssh").extra_environment, **settings}
