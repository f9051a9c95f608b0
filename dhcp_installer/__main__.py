"""`python -m dhcp_installer`: find out which Pi sits where, and write it into dhcpd.conf.

For a master without a controller; where that runs, `pirack install` asks it to do the same.
"""

import argparse
import getpass
import json
import signal
import sys
from functools import partial
from pathlib import Path
from threading import Event

from dhcp_installer import install, options
from dhcp_installer.errors import InstallError
from dhcp_installer.install import STRATEGIES, Task
from dhcp_installer.journal import Entry, InstallKind, InstallState, Journal
from dhcp_installer.pings import pinger
from dhcp_installer.progress import Report
from dhcp_installer.terminal import Lines, live
from dhcp_installer.world import World
from rack.database import Database
from rack.errors import RackError
from rack.inventory import Inventory
from rack.layout import Rack
from rack.layout_file import load
from rack.lock import CONTROLLER, InUse, alone
from rack.relays import Relays

_WARNING = """\
All {stacks} stacks of {name} are cut, several times, whatever runs on them. Go on? [y/N] """


def main(arguments: list[str] | None = None) -> int:
    """Do as the command line asks for; return the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        rack = load(chosen.rack)
        with alone(chosen.db, "installer"):
            return _install(chosen, rack)
    except InUse as error:
        mend = "the controller runs: use `pirack install`"
        print(mend if error.holder == CONTROLLER else error, file=sys.stderr)
    except (InstallError, RackError) as error:
        print(error, file=sys.stderr)
    return 2


def _install(chosen: argparse.Namespace, rack: Rack) -> int:
    database = Database(chosen.db)
    world = World(
        rack,
        Relays(rack, database),
        Inventory(database),
        Journal(database),
        options.configuration(chosen, rack),
        options.log(chosen),
        partial(pinger, chosen.ping),
    )
    if chosen.dry_run:
        sys.stdout.write(install.preview(world))
        return 0
    if not chosen.yes and not _confirms(rack):
        print("nothing was done", file=sys.stderr)
        return 2
    stop = Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda *_: stop.set())
    world.journal.interrupt()
    task = Task(InstallKind.INSTALL, f"console:{getpass.getuser()}", chosen.strategy)
    number = install.begin(world, task)
    if chosen.json:
        entry = install.run(world, task, number, _print_json, stop)
        print(json.dumps({"state": entry.state, "trouble": entry.trouble}))
        return _status(entry)
    with live() if sys.stdout.isatty() else Lines(sys.stdout) as shown:
        entry = install.run(world, task, number, shown.tell, stop)
    print(_summary(entry))
    return _status(entry)


def _confirms(rack: Rack) -> bool:
    if not sys.stdin.isatty():
        raise InstallError(
            "there is no terminal to ask at whether all stacks may be cut: add --yes"
        )
    answer = input(_WARNING.format(stacks=len(rack.stacks), name=rack.name))
    return answer.strip().lower() in {"y", "yes"}


def _print_json(report: Report) -> None:
    print(json.dumps(report.as_json()), flush=True)


def _summary(entry: Entry) -> str:
    return f"{entry.state}{entry.trouble and ': ' + entry.trouble}"


def _status(entry: Entry) -> int:
    """Return 0 where all rasps found are at their addresses, 1 where not all is well."""
    return 0 if entry.state is InstallState.DONE and not entry.trouble else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dhcp_installer", description=__doc__)
    add = parser.add_argument
    add("--rack", type=Path, default=Path("rack.toml"), help="the layout (%(default)s)")
    add("--db", type=Path, default=Path("pirack.db"), help="the inventory (%(default)s)")
    options.add_options(parser)
    add(
        "--ping",
        default="icmp",
        type=options.ping,
        metavar="icmp|tcp:PORT",
        help="how it sees that a rasp is there (%(default)s)",
    )
    add(
        "--strategy",
        choices=list(STRATEGIES),
        default="cut",
        help="one-by-one where rasps answer no ping (%(default)s)",
    )
    add("--yes", action="store_true", help="do not ask whether all stacks may be cut")
    add(
        "--dry-run",
        action="store_true",
        help="only check, and show what dhcpd.conf becomes with the rasps known now",
    )
    add("--json", action="store_true", help="print an object a line, for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
