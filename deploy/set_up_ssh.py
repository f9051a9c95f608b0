"""Let the master run actions on the rasps, by the SSH access that somebody has already.

`python -m deploy.set_up_ssh [TARGET …]`, on the master: makes the master's key, gives it to each
rasp, side by side, pins the host key that the rasp itself names, and tries it. It can be run again.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from controller.errors import SshError
from controller.ssh.host_keys import HostKeys, PinResult, changed_key_hint, rasp_name
from controller.ssh.master_key import MasterKey
from controller.ssh.pool import SshPool
from exporter.actions import EXIT_REFUSED
from rack.database import open_existing
from rack.errors import RackError, UnknownTargetError
from rack.inventory import Inventory, Rasp
from rack.layout_file import load
from rack.targets import resolve_slots

_SCRIPT = Path(__file__).with_name("authorize_master.sh")
_MAX_CONCURRENT = 16
_CONNECT_TIMEOUT = 10
_TIMEOUT = 60.0

# As root, or, where people log in as somebody else, by sudo without a password.
_REMOTE_COMMAND = """\
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
[ "$(id -u)" = 0 ] && exec sh -s -- {line}
exec sudo -n sh -s -- {line}
"""


class SetUpError(Exception):
    """A rasp is not set up; the text says why."""


@dataclass(frozen=True)
class SshLogin:
    """The SSH access that is there already: whose it is, and who they are on a rasp.

    `local_user` is whose `~/.ssh` counts, if it is not that of whoever runs this process.
    """

    port: int
    user: str | None = None
    local_user: str | None = None

    def command(self, rasp: Rasp, remote_command: str) -> list[str]:
        """Return the command line that runs `remote_command` on a rasp."""
        target = f"{self.user}@{rasp.address}" if self.user else str(rasp.address)
        return [
            *(("runuser", "-u", self.local_user, "--") if self.local_user else ()),
            *("ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_TIMEOUT}"),
            *("-p", str(self.port), target, remote_command),
        ]


async def set_up(
    rasps: Sequence[Rasp], folder: Path, ssh_login: SshLogin
) -> dict[Rasp, str | None]:
    """Set up rasps side by side; return for each why it is not, or None.

    Args:
        rasps: which.
        folder: where the master's key and the pinned host keys are; the key must be there.
        ssh_login: the way in.
    """
    limit = asyncio.Semaphore(_MAX_CONCURRENT)
    host_keys = HostKeys(folder, ssh_login.port)
    line = MasterKey(folder).authorized_keys_line()
    ssh = SshPool(folder, ssh_login.port)

    async def one(rasp: Rasp) -> str | None:
        async with limit:
            try:
                _pin_host_key(host_keys, rasp, await _install_key(rasp, line, ssh_login))
                await _test_login(ssh, rasp)
            except (SetUpError, SshError) as error:
                return str(error)
            return None

    try:
        return dict(zip(rasps, await asyncio.gather(*map(one, rasps)), strict=True))
    finally:
        await ssh.close()


async def _install_key(rasp: Rasp, line: str, ssh_login: SshLogin) -> asyncssh.SSHKey:
    """Give a rasp the master's key; return the host key that it names."""
    remote = _REMOTE_COMMAND.format(line=shlex.quote(line))
    process = await asyncio.create_subprocess_exec(
        *ssh_login.command(rasp, remote),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_TIMEOUT):
            said, complaints = await process.communicate(_SCRIPT.read_bytes())
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise SetUpError(f"it was not done after {_TIMEOUT:.0f} s") from None
    if process.returncode:
        lines = complaints.decode(errors="replace").strip().splitlines()
        raise SetUpError(lines[-1] if lines else f"exit status {process.returncode}")
    shown = None
    for text in said.decode(errors="replace").splitlines():
        what, _, rest = text.partition(" ")
        if what == "host-key":
            shown = asyncssh.import_public_key(rest)
        elif what == "note":
            print(f"{rasp_name(rasp)}: {rest}", file=sys.stderr)
    if shown is None:
        raise SetUpError("it has no ssh-ed25519 host key: make one there by `ssh-keygen -A`")
    return shown


def _pin_host_key(host_keys: HostKeys, rasp: Rasp, host_key: asyncssh.SSHKey) -> None:
    if host_keys.pin_new({rasp: host_key})[rasp] is PinResult.CHANGED:
        raise SetUpError(f"its host key is not the pinned one: {changed_key_hint(rasp_name(rasp))}")


async def _test_login(ssh: SshPool, rasp: Rasp) -> None:
    """Ask for no action: a rasp that is set up says in its own words that it needs one."""
    ran = await ssh.run(rasp.address, "", timeout=_TIMEOUT)
    if ran.exit_status != EXIT_REFUSED or "name an action" not in ran.output:
        words = ran.output.strip().splitlines() or [f"exit status {ran.exit_status}"]
        raise SetUpError(
            f"the master gets in, but the exporter does not run ({words[-1]}): run `pirack deploy`"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.set_up_ssh", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("targets", nargs="*", default=["all"], metavar="TARGET", help="such as 3/2; default: all")
    add("--rack", type=Path, default=Path("rack.toml"), help="the layout (%(default)s)")
    add("--db", type=Path, default=Path("pirack.db"), help="the controller's (%(default)s)")
    add("--login", metavar="USER", help="who you are on the rasps (default: as ~/.ssh/config says)")
    options = parser.parse_args(arguments)
    try:
        rack = load(options.rack)
        known = Inventory(open_existing(options.db)).rasps()
        slots = [(slot.stack, slot.number) for slot in resolve_slots(rack, options.targets)]
        rasps = [known[slot] for slot in slots if slot in known]
        if not rasps:
            raise UnknownTargetError(
                f"no rasp is known at {' '.join(options.targets)}: install first"
            )
        folder = options.db.parent / "ssh"
        MasterKey(folder).create()
        owner = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
        access = SshLogin(rack.network.ssh_port, options.login, owner)
        outcomes = asyncio.run(set_up(rasps, folder, access))
    except (RackError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for rasp, trouble in outcomes.items():
        print(f"{rasp_name(rasp)}  {f'failed  {trouble}' if trouble else 'ok'}")
    return 1 if any(outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
