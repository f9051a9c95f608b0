"""Authorize the master to run actions on the rasps, with the user's existing SSH login.

`python -m deploy.set_up_ssh [TARGET …]` on the master creates the master's key, installs it on each
rasp, pins the rasp's host key and tests the login. The command is idempotent.
"""

import asyncio
import os
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import click

from controller.errors import SshError
from controller.ssh.host_keys import HostKeys, PinResult, changed_key_hint
from controller.ssh.master_key import MasterKey
from controller.ssh.pool import SshPool
from exporter.actions import EXIT_REFUSED
from rack.database import open_existing
from rack.errors import PiRackError, UnknownTargetError
from rack.inventory import Inventory, Rasp
from rack.layout_file import load
from rack.targets import resolve_slots
from rack.terminal import EXIT_FAILED, Command

_SCRIPT = Path(__file__).with_name("authorize_master.sh")
_MAX_CONCURRENT = 16
_CONNECT_TIMEOUT = 10
_TIMEOUT = 60.0

# Uses sudo without a password unless the user is root.
_REMOTE_COMMAND = """\
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
[ "$(id -u)" = 0 ] && exec sh -s -- {line}
exec sudo -n sh -s -- {line}
"""


class SetUpError(PiRackError):
    """The SSH access of a rasp could not be set up."""


@dataclass(frozen=True)
class SshLogin:
    """Existing SSH login to the rasps.

    Attributes:
        port: Port of the SSH servers.
        user: User on the rasps, or None for the user in ~/.ssh/config.
        local_user: Owner of the ~/.ssh to use, or None for the current user.
    """

    port: int
    user: str | None = None
    local_user: str | None = None

    def command(self, rasp: Rasp, remote_command: str) -> list[str]:
        """Return the command line that runs a command on a rasp."""
        target = f"{self.user}@{rasp.address}" if self.user else str(rasp.address)
        return [
            *(("runuser", "-u", self.local_user, "--") if self.local_user else ()),
            *("ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_TIMEOUT}"),
            *("-p", str(self.port), target, remote_command),
        ]


async def set_up(
    rasps: Sequence[Rasp], folder: Path, ssh_login: SshLogin
) -> dict[Rasp, str | None]:
    """Set up several rasps concurrently. Return an error or None for each rasp.

    Args:
        rasps: The rasps.
        folder: Folder of the master's key, which must exist, and of the pinned host keys.
        ssh_login: Login to the rasps.
    """
    limit = asyncio.Semaphore(_MAX_CONCURRENT)
    host_keys = HostKeys(folder, ssh_login.port)
    line = MasterKey(folder).authorized_keys_line()
    ssh = SshPool(folder, ssh_login.port)

    async def set_up_one(rasp: Rasp) -> str | None:
        async with limit:
            try:
                _pin_host_key(host_keys, rasp, await _install_key(rasp, line, ssh_login))
                await _test_login(ssh, rasp)
            except (SetUpError, SshError) as error:
                return str(error)
            return None

    try:
        return dict(zip(rasps, await asyncio.gather(*map(set_up_one, rasps)), strict=True))
    finally:
        await ssh.close()


async def _install_key(rasp: Rasp, line: str, ssh_login: SshLogin) -> asyncssh.SSHKey:
    """Install the master's key on a rasp. Return the host key of the rasp."""
    remote_command = _REMOTE_COMMAND.format(line=shlex.quote(line))
    process = await asyncio.create_subprocess_exec(
        *ssh_login.command(rasp, remote_command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_TIMEOUT):
            output, errors = await process.communicate(_SCRIPT.read_bytes())
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise SetUpError(f"not finished after {_TIMEOUT:.0f} s: try again") from None
    if process.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise SetUpError(lines[-1] if lines else f"exit status {process.returncode}")
    host_key = None
    for text in output.decode(errors="replace").splitlines():
        kind, _, value = text.partition(" ")
        if kind == "host-key":
            host_key = asyncssh.import_public_key(value)
        elif kind == "note":
            click.echo(f"{rasp.name}: {value}", err=True)
    if host_key is None:
        raise SetUpError("there is no ssh-ed25519 host key: run `ssh-keygen -A` on the rasp")
    return host_key


def _pin_host_key(host_keys: HostKeys, rasp: Rasp, host_key: asyncssh.SSHKey) -> None:
    if host_keys.pin_new({rasp: host_key})[rasp] is PinResult.CHANGED:
        raise SetUpError(f"the host key differs from the pinned one: {changed_key_hint(rasp.name)}")


async def _test_login(ssh: SshPool, rasp: Rasp) -> None:
    """Log in without an action. If the exporter works, it rejects the request."""
    result = await ssh.run(rasp.address, "", timeout=_TIMEOUT)
    if result.exit_status != EXIT_REFUSED or "name an action" not in result.output:
        lines = result.output.strip().splitlines() or [f"exit status {result.exit_status}"]
        raise SetUpError(
            f"the login succeeds, but the exporter does not run ({lines[-1]}): run `pirack deploy`"
        )


_file_type = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Command)
@click.argument("targets", nargs=-1)
@click.option(
    "--rack",
    "layout",
    type=_file_type,
    default="rack.toml",
    show_default=True,
    help="Layout of the rack.",
)
@click.option(
    "--db", type=_file_type, default="pirack.db", show_default=True, help="Database of the rack."
)
@click.option("--login", metavar="USER", help="User on the rasps (default: as in ~/.ssh/config).")
@click.pass_context
def main(
    context: click.Context, targets: tuple[str, ...], *, layout: Path, db: Path, login: str | None
) -> None:
    """Authorize the master to run actions on TARGETS, or on all rasps."""
    rack = load(layout)
    inventory = Inventory(open_existing(db)).rasps()
    expressions = targets or ("all",)
    slots = [(slot.stack, slot.number) for slot in resolve_slots(rack, expressions)]
    rasps = [inventory[slot] for slot in slots if slot in inventory]
    if not rasps:
        raise UnknownTargetError(
            f"no rasp is installed in {' '.join(expressions)}: run `pirack install`"
        )
    folder = db.parent / "ssh"
    MasterKey(folder).create()
    local_user = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    ssh_login = SshLogin(rack.network.ssh_port, login, local_user)
    errors = asyncio.run(set_up(rasps, folder, ssh_login))
    for rasp, error in errors.items():
        click.echo(f"{rasp.name}  {f'failed  {error}' if error else 'ok'}")
    context.exit(EXIT_FAILED if any(errors.values()) else 0)


if __name__ == "__main__":
    main(prog_name="python -m deploy.set_up_ssh")
