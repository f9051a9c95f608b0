"""OpenSSH server of a rasp in a network namespace, with faults.

rasp.sh starts the server, and restarts the server when it ends. This module writes the files of the
server and sends signals to the processes of the server. It finds these processes by their network
namespace.
"""

import os
import shlex
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import asyncssh

from virtual_rack import hostile_ssh
from virtual_rack.faults import Fault
from virtual_rack.network_namespace import NAMESPACES_FOLDER

_SSH_FAULTS = frozenset(
    {
        Fault.SSH_REFUSES,
        Fault.SSH_HANGS,
        Fault.SSH_SLOW,
        Fault.NEW_HOST_KEY,
        Fault.WEDGED,
        Fault.HOSTILE,
    }
)
_SLOW_SECONDS = 3
_CONFIG_TEMPLATE = """\
HostKey {folder}/host_key
AuthorizedKeysFile {master_key}
Banner {folder}/hostile
ForceCommand {slow}; {hostile}; exec {action}
PermitRootLogin prohibit-password
AuthenticationMethods publickey
DisableForwarding yes
PermitTTY no
StrictModes no
UsePAM no
PidFile none
"""


class Sshd:
    """The SSH server of a rasp.

    Args:
        name: Network namespace of the rasp.
        folder: Folder of the rasp.
        host_key: Host key of the rasp.
        master_key: File with the public key that is accepted.
        aliases_file: File with the allowed `[actions]`.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        host_key: asyncssh.SSHKey,
        master_key: Path,
        aliases_file: Path,
    ) -> None:
        self._namespace = NAMESPACES_FOLDER / name
        self._folder = folder
        self._own_key = host_key
        self._faults: frozenset[Fault] = frozenset()
        action = [sys.executable, "-m", "exporter", "action", "--aliases", str(aliases_file)]
        flags = shlex.quote(str(folder))
        self._config = _CONFIG_TEMPLATE.format(
            folder=flags,
            master_key=shlex.quote(str(master_key)),
            slow=f"if [ -e {flags}/{Fault.SSH_SLOW} ]; then sleep {_SLOW_SECONDS}; fi",
            hostile=f"if [ -e {flags}/{Fault.HOSTILE} ]; then exec cat {flags}/{Fault.HOSTILE}; fi",
            action=shlex.join(action),
        )

    def prepare(self, faults: Collection[Fault]) -> None:
        """Write the files for a boot with these faults.

        Raises:
            OSError: If the files cannot be written.
        """
        (self._folder / "sshd_config").write_text(self._config)
        self._write_key(self._own_key)
        self._faults = frozenset()
        self._apply_faults(_SSH_FAULTS.intersection(faults))

    def serve(self, faults: Collection[Fault]) -> None:
        """Apply these faults to the running server.

        Raises:
            OSError: If the files cannot be written.
        """
        new = _SSH_FAULTS.intersection(faults)
        if new != self._faults:
            changed = self._apply_faults(new)
            if changed & {Fault.NEW_HOST_KEY, Fault.SSH_REFUSES}:
                self._signal_processes(signal.SIGKILL)
            self._signal_processes(signal.SIGCONT)
        if {Fault.SSH_HANGS, Fault.WEDGED} & new:  # every time, to include new processes
            self._signal_processes(signal.SIGSTOP)

    def _apply_faults(self, new: frozenset[Fault]) -> frozenset[Fault]:
        """Update the files. Return the faults that were added or removed."""
        changed = self._faults ^ new
        self._faults = new
        for fault in changed & {Fault.SSH_REFUSES, Fault.SSH_SLOW, Fault.HOSTILE}:
            flag = self._folder / fault
            if fault in new:
                flag.write_text(hostile_ssh.TEXT if fault is Fault.HOSTILE else "")
            else:
                flag.unlink(missing_ok=True)
        if Fault.NEW_HOST_KEY in changed:
            is_new = Fault.NEW_HOST_KEY in new
            self._write_key(
                asyncssh.generate_private_key("ssh-ed25519") if is_new else self._own_key
            )
        return changed

    def _write_key(self, key: asyncssh.SSHKey) -> None:
        path = self._folder / "host_key"
        path.touch(mode=0o600)
        key.write_private_key(str(path))

    def _signal_processes(self, number: signal.Signals) -> None:
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _processes(self) -> Iterator[int]:
        """Yield the process ids of the server and of its connections."""
        with suppress(FileNotFoundError):
            own = self._namespace.stat().st_ino
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):  # the process may have ended
                    if (process / "comm").read_text() == "sshd\n" and own == (
                        process / "ns/net"
                    ).stat().st_ino:
                        yield int(process.name)
