"""`python -m controller ssh`: the master's key, and the rasps' host keys."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from controller.audit import Audit, at_console
from controller.errors import SshError
from controller.host_keys import HostKeys, Pinning, mend, name
from controller.master_key import MasterKey
from rack.database import open_existing
from rack.errors import UnknownPlace
from rack.inventory import Inventory, Rasp
from rack.layout_file import load
from rack.places import select


def show_key(options: argparse.Namespace) -> None:
    """Print the line for root's authorized_keys on the rasps; make the key if there is none."""
    key = MasterKey(_folder(options))
    with _told(_folder(options)):
        if key.make():
            print(f"{key.path} is made: the master's key. Keep it secret.", file=sys.stderr)
    print(key.authorized_line())


def pin(options: argparse.Namespace) -> None:
    """Learn the host keys of rasps, and pin those of which none is pinned yet."""
    rasps, host_keys = _rasps(options), _host_keys(options)
    with _told(_folder(options)):
        outcomes = host_keys.pin(rasps)
    _record(options, "pin host key", [r for r in rasps if outcomes[r] is Pinning.PINNED])
    counts = Counter(outcomes.values())
    print(", ".join(f"{counts[each]} {each}" for each in Pinning if counts[each]))
    troubles = [
        f"{name(rasp)} ({rasp.address}) gives no answer"
        if outcome is Pinning.NO_ANSWER
        else f"{name(rasp)} ({rasp.address}) shows another host key than the pinned one:"
        f" {mend(name(rasp))}"
        for rasp, outcome in outcomes.items()
        if outcome in {Pinning.NO_ANSWER, Pinning.CHANGED}
    ]
    if troubles:
        raise SshError("\n".join(troubles))


def forget(options: argparse.Namespace) -> None:
    """Forget the host keys of rasps that were set up anew; the next pin believes them."""
    rasps = _rasps(options)
    with _told(_folder(options)):
        _host_keys(options).forget(rasp.address for rasp in rasps)
    _record(options, "forget host key", rasps)
    print(f"forgotten: {' '.join(map(name, rasps))}")


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    database: argparse.ArgumentParser,
) -> None:
    """Add `ssh`; `database` has the option --db."""
    ssh = commands.add_parser("ssh", help="the way to the rasps").add_subparsers(required=True)
    _add(ssh, "key", show_key, [database])
    _add(ssh, "pin", pin, [database]).add_argument(
        "targets", nargs="*", default=["all"], metavar="TARGET", help="such as 3/2; default: all"
    )
    _add(ssh, "forget", forget, [database]).add_argument(
        "targets", nargs="+", metavar="TARGET", help="such as 3/2, 1-4"
    )


def _add(
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


def _folder(options: argparse.Namespace) -> Path:
    database: Path = options.db
    return database.parent / "ssh"


def _host_keys(options: argparse.Namespace) -> HostKeys:
    return HostKeys(_folder(options), options.ssh_port or load(options.rack).network.ssh_port)


def _rasps(options: argparse.Namespace) -> list[Rasp]:
    slots = select(load(options.rack), options.targets)
    known = Inventory(open_existing(options.db)).rasps()
    found = [known[slot.stack, slot.number] for slot in slots if (slot.stack, slot.number) in known]
    if not found:
        raise UnknownPlace(
            f"no rasp is known at {' '.join(options.targets)}: install the rack first"
        )
    return found


def _record(options: argparse.Namespace, what: str, rasps: Sequence[Rasp]) -> None:
    if rasps:
        Audit(open_existing(options.db)).record(at_console(what, " ".join(map(name, rasps))))


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SshError(
            f"{folder}: {error.strerror or error}: run this as the controller's user"
        ) from error
