"""Commands for the SSH key of the master and the host keys of the rasps."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from controller.audit import Audit, console_event
from controller.command_line.arguments import database_option
from controller.errors import SshError
from controller.options import ControllerOptions
from controller.ssh.host_keys import (
    HostKeys,
    PinResult,
    changed_key_hint,
    revoked_key_hint,
)
from controller.ssh.master_key import MasterKey
from rack.database import open_existing
from rack.errors import UnknownTargetError
from rack.inventory import Inventory, Rasp
from rack.layout_file import load
from rack.targets import resolve_slots
from rack.terminal import TargetError


@click.group()
def ssh() -> None:
    """Manage the SSH keys of the master and the rasps.

    TARGET is 3 (a stack), 3/2 or 03-2 (a rasp), 1..4 or 1..4/1 (ranges), or all.
    """


@ssh.command("key")
@database_option
@click.pass_obj
def show_key(options: ControllerOptions) -> None:
    """Print the line for root's authorized_keys on the rasps.

    Creates the key pair of the master if it does not exist.
    """
    key = MasterKey(_ssh_folder(options))
    with _reporting_os_errors(_ssh_folder(options)):
        if key.create():
            click.echo(f"Created the SSH key of the master, {key.path}. Keep it secret.", err=True)
    click.echo(key.authorized_keys_line())


@ssh.command("pin")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@database_option
@click.pass_obj
def pin_keys(options: ControllerOptions, targets: Sequence[str]) -> None:
    """Pin the host keys of rasps without a pinned key. Default: all rasps."""
    rasps, host_keys = _target_rasps(options, targets or ["all"]), _host_keys(options)
    with _reporting_os_errors(_ssh_folder(options)):
        results = host_keys.fetch_and_pin(rasps)
    _record(options, "pin host key", [rasp for rasp in rasps if results[rasp] is PinResult.PINNED])
    counts = Counter(results.values())
    click.echo(", ".join(f"{counts[result]} {result}" for result in PinResult if counts[result]))
    errors = [
        f"{rasp.name} ({rasp.address}) {problem}"
        for rasp, result in results.items()
        if (problem := _pin_problem(result, rasp.name))
    ]
    if errors:
        raise TargetError("\n".join(errors))


@ssh.command("forget")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@database_option
@click.pass_obj
def forget_keys(options: ControllerOptions, targets: Sequence[str]) -> None:
    """Delete the pinned host keys of reinstalled rasps.

    The next `pin` accepts their new keys.
    """
    rasps = _target_rasps(options, targets)
    with _reporting_os_errors(_ssh_folder(options)):
        _host_keys(options).forget(rasp.address for rasp in rasps)
    _record(options, "forget host key", rasps)
    click.echo(f"Deleted the host keys of {' '.join(rasp.name for rasp in rasps)}.")


def _ssh_folder(options: ControllerOptions) -> Path:
    return options.db.parent / "ssh"


def _host_keys(options: ControllerOptions) -> HostKeys:
    return HostKeys(_ssh_folder(options), options.ssh_port or load(options.rack).network.ssh_port)


def _target_rasps(options: ControllerOptions, targets: Sequence[str]) -> list[Rasp]:
    slots = resolve_slots(load(options.rack), targets)
    installed = Inventory(open_existing(options.db)).rasps()
    rasps = [
        installed[slot.stack, slot.number]
        for slot in slots
        if (slot.stack, slot.number) in installed
    ]
    if not rasps:
        raise UnknownTargetError(f"no rasp is installed at {' '.join(targets)}: install the rack")
    return rasps


def _pin_problem(result: PinResult, rasp_name: str) -> str | None:
    if result is PinResult.NO_ANSWER:
        return "does not respond"
    if result is PinResult.CHANGED:
        return f"has another host key than the pinned key: {changed_key_hint(rasp_name)}"
    if result is PinResult.REVOKED:
        return f"has a revoked host key: {revoked_key_hint(rasp_name)}"
    return None


def _record(options: ControllerOptions, action: str, rasps: Sequence[Rasp]) -> None:
    if rasps:
        targets = " ".join(rasp.name for rasp in rasps)
        Audit(open_existing(options.db)).record(console_event(action, targets))


@contextmanager
def _reporting_os_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SshError(
            f"{folder}: {error.strerror or error}: run this command as the controller's user"
        ) from error
