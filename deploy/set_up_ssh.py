"""Authorize the master to run actions on the rasps, with the user's existing SSH login.

`python -m deploy.set_up_ssh [TARGET …]` on the master creates the master's key, installs it on each
rasp, pins the rasp's host key and tests the login. The command is idempotent. As root, it accesses
the controller's files with the rights of their owner.
"""

import asyncio
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import click

from controller.errors import SshError, UnreachableError
from controller.ssh.host_keys import (
    HostKeys,
    PinResult,
    changed_key_hint,
    revoked_key_hint,
)
from controller.ssh.master_key import MasterKey
from controller.ssh.pool import ActionResult, SshPool
from exporter.actions import EXIT_REFUSED
from rack.database import open_existing
from rack.errors import PiRackError, UnknownTargetError
from rack.inventory import Inventory, Rasp
from rack.layout import Rack
from rack.layout_file import load
from rack.privileges import as_owner_of
from rack.targets import resolve_slots
from rack.terminal import EXIT_FAILED, Command

_SCRIPT = Path(__file__).with_name("authorize_master.py")
_MAX_CONCURRENT = 16
_CONNECT_TIMEOUT = 10
_TIMEOUT = 60.0
_RELOAD_SECONDS = 5.0
_RETRY_INTERVAL = 0.2

# Uses sudo without a password unless the user is root.
_REMOTE_COMMAND = """\
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
[ "$(id -u)" = 0 ] && exec python3 -I - {line}
exec sudo -n python3 -I - {line}
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


async def install_keys(
    rasps: Sequence[Rasp], line: str, ssh_login: SshLogin
) -> dict[Rasp, asyncssh.SSHKey | str]:
    """Install the master's key on several rasps concurrently.

    Args:
        rasps: The rasps.
        line: Line of the master for authorized_keys.
        ssh_login: Login to the rasps.

    Returns:
        The host key of each rasp, or an error.
    """
    limit = asyncio.Semaphore(_MAX_CONCURRENT)

    async def install_one(rasp: Rasp) -> asyncssh.SSHKey | str:
        async with limit:
            try:
                return await _install_key(rasp, line, ssh_login)
            except SetUpError as error:
                return str(error)

    return dict(zip(rasps, await asyncio.gather(*map(install_one, rasps)), strict=True))


async def pin_and_test(
    host_keys: Mapping[Rasp, asyncssh.SSHKey | str], folder: Path, port: int
) -> dict[Rasp, str | None]:
    """Pin the host keys of rasps, and test the login of the master.

    Args:
        host_keys: Result of `install_keys`.
        folder: Folder of the master's key and of the pinned host keys.
        port: Port of the SSH servers.

    Returns:
        An error or None for each rasp.
    """
    limit = asyncio.Semaphore(_MAX_CONCURRENT)
    pinned = HostKeys(folder, port)
    ssh = SshPool(folder, port)

    async def test_one(rasp: Rasp, host_key: asyncssh.SSHKey | str) -> str | None:
        if isinstance(host_key, str):
            return host_key
        async with limit:
            try:
                _pin_host_key(pinned, rasp, host_key)
                await _test_login(ssh, rasp)
            except (SetUpError, SshError) as error:
                return str(error)
            return None

    try:
        errors = await asyncio.gather(*(test_one(*item) for item in host_keys.items()))
    finally:
        await ssh.close()
    return dict(zip(host_keys, errors, strict=True))


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
    result = host_keys.pin_new({rasp: host_key})[rasp]
    if result is PinResult.CHANGED:
        raise SetUpError(f"the host key differs from the pinned one: {changed_key_hint(rasp.name)}")
    if result is PinResult.REVOKED:
        raise SetUpError(f"the host key is revoked: {revoked_key_hint(rasp.name)}")


async def _test_login(ssh: SshPool, rasp: Rasp) -> None:
    """Log in without an action. If the exporter works, it rejects the request."""
    result = await _run_after_reload(ssh, rasp)
    if result.exit_status != EXIT_REFUSED or "name an action" not in result.output:
        lines = result.output.strip().splitlines() or [f"exit status {result.exit_status}"]
        raise SetUpError(
            f"the login succeeds, but the exporter does not run ({lines[-1]}): run `pirack deploy`"
        )


async def _run_after_reload(ssh: SshPool, rasp: Rasp) -> ActionResult:
    """Run no action. While sshd reloads its configuration, it refuses connections."""
    try:
        async with asyncio.timeout(_RELOAD_SECONDS):
            while True:
                with suppress(UnreachableError):
                    return await ssh.run(rasp.address, "", timeout=_TIMEOUT)
                await asyncio.sleep(_RETRY_INTERVAL)
    except TimeoutError:
        return await ssh.run(rasp.address, "", timeout=_TIMEOUT)


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
    folder = db.parent / "ssh"
    with as_owner_of(db.parent):
        rasps = _find_rasps(rack, Inventory(open_existing(db)), targets or ("all",))
        master_key = MasterKey(folder)
        master_key.create()
        line = master_key.authorized_keys_line()
    local_user = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    ssh_login = SshLogin(rack.network.ssh_port, login, local_user)
    host_keys = asyncio.run(install_keys(rasps, line, ssh_login))
    with as_owner_of(db.parent):
        errors = asyncio.run(pin_and_test(host_keys, folder, rack.network.ssh_port))
    for rasp, error in errors.items():
        click.echo(f"{rasp.name}  {f'failed  {error}' if error else 'ok'}")
    context.exit(EXIT_FAILED if any(errors.values()) else 0)


def _find_rasps(rack: Rack, inventory: Inventory, targets: Sequence[str]) -> list[Rasp]:
    installed = inventory.rasps()
    slots = [(slot.stack, slot.number) for slot in resolve_slots(rack, targets)]
    rasps = [installed[slot] for slot in slots if slot in installed]
    if not rasps:
        raise UnknownTargetError(
            f"no rasp is installed in {' '.join(targets)}: run `pirack install`"
        )
    return rasps


if __name__ == "__main__":
    main(prog_name="python -m deploy.set_up_ssh")
