"""`python -m controller ssh`: the master's key, and the rasps' host keys."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from controller.audit import Audit, console_event
from controller.errors import SshError
from controller.ssh.host_keys import HostKeys, PinResult, changed_key_hint, rasp_name
from controller.ssh.master_key import MasterKey
from rack.database import open_existing
from rack.errors import UnknownTargetError
from rack.inventory import Inventory, Rasp
from rack.layout_file import load
from rack.targets import resolve_slots


def show_key(options: argparse.Namespace) -> None:
    """Print the line for root's authorized_keys on the rasps; make the key if there is none."""
    key = MasterKey(_ssh_folder(options))
    with _reporting_os_errors(_ssh_folder(options)):
        if key.create():
            print(f"{key.path} is made: the master's key. Keep it secret.", file=sys.stderr)
    print(key.authorized_keys_line())


def pin_keys(options: argparse.Namespace) -> None:
    """Learn the host keys of rasps, and pin those of which none is pinned yet."""
    rasps, host_keys = _target_rasps(options), _host_keys(options)
    with _reporting_os_errors(_ssh_folder(options)):
        outcomes = host_keys.fetch_and_pin(rasps)
    _record(options, "pin host key", [r for r in rasps if outcomes[r] is PinResult.PINNED])
    counts = Counter(outcomes.values())
    print(", ".join(f"{counts[each]} {each}" for each in PinResult if counts[each]))
    troubles = [
        f"{rasp_name(rasp)} ({rasp.address}) gives no answer"
        if outcome is PinResult.NO_ANSWER
        else f"{rasp_name(rasp)} ({rasp.address}) shows another host key than the pinned one:"
        f" {changed_key_hint(rasp_name(rasp))}"
        for rasp, outcome in outcomes.items()
        if outcome in {PinResult.NO_ANSWER, PinResult.CHANGED}
    ]
    if troubles:
        raise SshError("\n".join(troubles))


def forget_keys(options: argparse.Namespace) -> None:
    """Forget the host keys of rasps that were set up anew; the next pin believes them."""
    rasps = _target_rasps(options)
    with _reporting_os_errors(_ssh_folder(options)):
        _host_keys(options).forget(rasp.address for rasp in rasps)
    _record(options, "forget host key", rasps)
    print(f"forgotten: {' '.join(map(rasp_name, rasps))}")


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    database: argparse.ArgumentParser,
) -> None:
    """Add `ssh`; `database` has the option --db."""
    ssh = commands.add_parser("ssh", help="the way to the rasps").add_subparsers(required=True)
    _add_command(ssh, "key", show_key, [database])
    _add_command(ssh, "pin", pin_keys, [database]).add_argument(
        "targets", nargs="*", default=["all"], metavar="TARGET", help="such as 3/2; default: all"
    )
    _add_command(ssh, "forget", forget_keys, [database]).add_argument(
        "targets", nargs="+", metavar="TARGET", help="such as 3/2, 1-4"
    )


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], None],
    parents: Sequence[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    what = (command.__doc__ or "").rstrip(".")
    parser = commands.add_parser(
        name, help=what[0].lower() + what[1:], description=f"{what}.", parents=parents
    )
    parser.set_defaults(run=command)
    return parser


def _ssh_folder(options: argparse.Namespace) -> Path:
    database: Path = options.db
    return database.parent / "ssh"


def _host_keys(options: argparse.Namespace) -> HostKeys:
    return HostKeys(_ssh_folder(options), options.ssh_port or load(options.rack).network.ssh_port)


def _target_rasps(options: argparse.Namespace) -> list[Rasp]:
    slots = resolve_slots(load(options.rack), options.targets)
    known = Inventory(open_existing(options.db)).rasps()
    found = [known[slot.stack, slot.number] for slot in slots if (slot.stack, slot.number) in known]
    if not found:
        raise UnknownTargetError(
            f"no rasp is known at {' '.join(options.targets)}: install the rack first"
        )
    return found


def _record(options: argparse.Namespace, action: str, rasps: Sequence[Rasp]) -> None:
    if rasps:
        Audit(open_existing(options.db)).record(
            console_event(action, " ".join(map(rasp_name, rasps)))
        )


@contextmanager
def _reporting_os_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SshError(
            f"{folder}: {error.strerror or error}: run this as the controller's user"
        ) from error
