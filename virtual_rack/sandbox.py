"""Sandbox of a namespace rack, with separate network, mounts and processes.

The kernel releases all resources of the sandbox when the first process of the sandbox ends. The
kernel kills that process when its parent ends, even if the parent is killed.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rack.errors import PiRackError
from rack.layout import Rack
from tools.programs import find
from virtual_rack import control
from virtual_rack.master import VirtualMaster
from virtual_rack.namespace_rack import PROGRAMS
from virtual_rack.network_namespace import CLONE_NEWNET, setns
from virtual_rack.outlets import source_devices
from virtual_rack.uplink import connect

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


class SandboxUnavailableError(PiRackError):
    """This user cannot create or enter namespaces on this machine."""


def run(arguments: Sequence[str], rack: Rack, *, has_uplink: bool) -> int:
    """Run `python -m virtual_rack` with these arguments in a sandbox until a signal stops it.

    Args:
        arguments: Arguments of the command line.
        rack: Layout of the rack.
        has_uplink: Whether this machine is connected to the network of the rack.

    Returns:
        Exit status.

    Raises:
        SandboxUnavailableError: If namespaces are not available, or this machine cannot be
            connected.
        ProgramError: If a required program is not available.
    """
    for name in (*PROGRAMS, *source_devices.programs(rack)):
        find(name)  # the sandbox has no internet access for downloads
    unshare = _working_unshare_command()
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "--", *unshare, "--"),
            *(sys.executable, "-m", "virtual_rack.sandbox_init", *arguments),
        ],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    init_pidfds: list[int] = []

    def stop(*_: object) -> None:
        init_pidfds.extend(map(os.pidfd_open, _children(process.pid)))
        process.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    if has_uplink:
        _connect(rack, process)
    status = process.wait()
    for pidfd in init_pidfds:
        # The first process of the sandbox ends after all other processes of the sandbox.
        select.select([pidfd], [], [], _STOP_SECONDS)
        os.close(pidfd)
    return 0 if status == -signal.SIGKILL else status


def _connect(rack: Rack, process: "subprocess.Popen[bytes]") -> None:
    try:
        connect(rack, process)
    except OSError as error:
        if process.poll() is not None:
            return  # it was stopped, or its own error message is on the terminal
        process.kill()
        raise SandboxUnavailableError(
            f"cannot connect this machine to the rack ({error.strerror}): run it as root, and stop"
            " another rack with the same network"
        ) from error


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def _working_unshare_command() -> list[str]:
    """Return a command that creates a sandbox. Test the command first."""
    unshare = _UNSHARE_COMMAND if os.geteuid() == 0 else [*_UNSHARE_COMMAND, *_USER_NAMESPACE_FLAGS]
    try:
        result = subprocess.run(
            [*unshare, "--", "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise SandboxUnavailableError("unshare is not installed: install util-linux") from None
    if result.returncode != 0:
        hint = (
            "start the container with --privileged"
            if os.geteuid() == 0
            else "run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone"
            " or kernel.apparmor_restrict_unprivileged_userns)"
        )
        raise SandboxUnavailableError(
            f"network namespaces are not available ({result.stderr.strip()}): {hint},"
            " or use the loopback rack with --network 127.23"
        )
    return unshare


def enter(state: Path, argv: Sequence[str]) -> int:
    """Run a command on the master of a rack, in the current folder.

    This process forwards SIGTERM and SIGHUP to the command. If this process is killed, the kernel
    kills the command too.

    Returns:
        Exit status of the command.

    Raises:
        RackUnavailableError: If no virtual rack runs in this state folder.
        SandboxUnavailableError: If the rack is on loopback or belongs to another user.
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
            f"cannot enter the rack in {state} ({error.strerror}): run as the user that started it"
        ) from error
    os.chdir(folder)
    process: subprocess.Popen[bytes] | None = None
    early_signals: list[int] = []

    def forward(number: int, _: object) -> None:
        if process is None:
            early_signals.append(number)
        else:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *argv], env=os.environ | {"PATH": path}
    )
    for early_signal in early_signals:
        process.send_signal(early_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal also sends SIGINT to the command
    status = process.wait()
    return 128 - status if status < 0 else status


def _is_in_other_namespace(kind: str, pid: int) -> bool:
    """Return whether a process is in a different namespace than this process."""
    own, other = (Path(f"/proc/{process}/ns/{kind}").stat().st_ino for process in ("self", pid))
    return own != other
