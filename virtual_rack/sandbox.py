"""The world that a rack of namespaces is in: network, mounts and processes of its own.

All that is made in there ends with the world's first process, and that with the process that
started it, however it ends.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.programs import find
from virtual_rack import control
from virtual_rack.master import VirtualMaster
from virtual_rack.namespace_rack import PROGRAMS
from virtual_rack.network_namespace import CLONE_NEWNET, setns

_UNSHARE_COMMAND = [
    "unshare",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
]
_USER_NAMESPACE_FLAGS = ["--user", "--map-root-user"]
_PROBE_SECONDS = 20.0
_STOP_SECONDS = 20.0

# See setns(2).
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000


class SandboxUnavailableError(Exception):
    """This machine or this user may not have namespaces; the text says the mend."""


def run(arguments: Sequence[str]) -> int:
    """Run `python -m virtual_rack` with these arguments in a world until asked to stop.

    Returns:
        The exit status.

    Raises:
        NoWorld: namespaces cannot be had.
        ProgramError: a program that the rack needs cannot be had.
    """
    for name in PROGRAMS:
        find(name)  # from in there the network cannot be reached
    unshare = _working_unshare_command()
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "--", *unshare, "--"),
            *(sys.executable, "-m", "virtual_rack.sandbox_init", *arguments),
        ],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    ended: list[int] = []

    def end(*_: object) -> None:
        ended.extend(map(os.pidfd_open, _children(process.pid)))
        process.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    status = process.wait()
    for first in ended:
        # It is gone when all others in there are.
        select.select([first], [], [], _STOP_SECONDS)
        os.close(first)
    return 0 if status == -signal.SIGKILL else status


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _working_unshare_command() -> list[str]:
    """Return the command that makes a world, once it has made one."""
    unshare = _UNSHARE_COMMAND if os.geteuid() == 0 else [*_UNSHARE_COMMAND, *_USER_NAMESPACE_FLAGS]
    try:
        done = subprocess.run(
            [*unshare, "--", "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise SandboxUnavailableError("unshare is not here: install util-linux") from None
    if done.returncode != 0:
        mend = (
            "a container needs --privileged"
            if os.geteuid() == 0
            else "run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone"
            " or kernel.apparmor_restrict_unprivileged_userns)"
        )
        raise SandboxUnavailableError(
            f"network namespaces cannot be had here ({done.stderr.strip()}): {mend};"
            " without them there is the rack on loopback, --network 127.23"
        )
    return unshare


def enter(state: Path, argv: Sequence[str]) -> int:
    """Run a command on the master of the rack with this state folder, in the present folder.

    The signals that ask this process to end are handed on; should it be killed, so is the command.

    Returns:
        The command's exit status.

    Raises:
        NoRackThere: no rack runs with this folder.
        NoWorld: it is no rack of namespaces, or somebody else's.
    """
    pid = control.server_process_id(state)
    folder = Path.cwd()
    path = os.pathsep.join(
        [str(VirtualMaster.bin_folder(state)), os.environ.get("PATH", os.defpath)]
    )
    kinds = CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID
    try:
        if _is_in_other_namespace("user", pid):
            kinds |= _CLONE_NEWUSER
        if not _is_in_other_namespace("pid", pid):
            raise SandboxUnavailableError(
                f"the rack in {state} is on loopback: its master is this machine"
            )
        setns(os.pidfd_open(pid), kinds)
    except OSError as error:
        raise SandboxUnavailableError(
            f"the rack in {state} cannot be entered ({error.strerror}): be the user that started it"
        ) from error
    os.chdir(folder)
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *argv], env=os.environ | {"PATH": path}
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: process.send_signal(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the command as well
    status = process.wait()
    return 128 - status if status < 0 else status


def _is_in_other_namespace(kind: str, pid: int) -> bool:
    """Tell whether a process is in another namespace than this one."""
    own, other = (Path(f"/proc/{each}/ns/{kind}").stat().st_ino for each in ("self", pid))
    return own != other
