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

from dhcp_installer import arguments
from dhcp_installer.discovery.pingers import make_pinger
from dhcp_installer.errors import InstallError
from dhcp_installer.install import installer
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.installer import STRATEGIES, InstallRequest
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState, Journal
from dhcp_installer.install.progress import ProgressReport
from dhcp_installer.install.terminal import PlainProgress, live_progress
from rack.database import Database
from rack.errors import RackError
from rack.inventory import Inventory
from rack.layout import Rack
from rack.layout_file import load
from rack.lock import CONTROLLER, DatabaseInUseError, exclusive_access
from rack.relays import Relays

_CONFIRMATION_PROMPT = """\
All {stacks} stacks of {name} are cut, several times, whatever runs on them. Go on? [y/N] """


def main(argv: list[str] | None = None) -> int:
    """Do as the command line asks for; return the exit status."""
    chosen = _build_parser().parse_args(argv)
    try:
        rack = load(chosen.rack)
        with exclusive_access(chosen.db, "installer"):
            return _install(chosen, rack)
    except DatabaseInUseError as error:
        mend = "the controller runs: use `pirack install`"
        print(mend if error.holder == CONTROLLER else error, file=sys.stderr)
    except (InstallError, RackError) as error:
        print(error, file=sys.stderr)
    return 2


def _install(args: argparse.Namespace, rack: Rack) -> int:
    database = Database(args.db)
    world = InstallDependencies(
        rack,
        Relays(rack, database),
        Inventory(database),
        Journal(database),
        arguments.config_file(args, rack),
        arguments.log_factory(args),
        partial(make_pinger, args.ping),
    )
    if args.dry_run:
        sys.stdout.write(installer.preview(world))
        return 0
    if not args.yes and not _confirm(rack):
        print("nothing was done", file=sys.stderr)
        return 2
    stop = Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda *_: stop.set())
    world.journal.mark_interrupted()
    task = InstallRequest(InstallKind.INSTALL, f"console:{getpass.getuser()}", args.strategy)
    number = installer.create(world, task)
    if args.json:
        entry = installer.run(world, task, number, _print_json, stop)
        print(json.dumps({"state": entry.state, "trouble": entry.error}))
        return _exit_status(entry)
    with live_progress() if sys.stdout.isatty() else PlainProgress(sys.stdout) as shown:
        entry = installer.run(world, task, number, shown.update, stop)
    print(_format_result(entry))
    return _exit_status(entry)


def _confirm(rack: Rack) -> bool:
    if not sys.stdin.isatty():
        raise InstallError(
            "there is no terminal to ask at whether all stacks may be cut: add --yes"
        )
    answer = input(_CONFIRMATION_PROMPT.format(stacks=len(rack.stacks), name=rack.name))
    return answer.strip().lower() in {"y", "yes"}


def _print_json(report: ProgressReport) -> None:
    print(json.dumps(report.to_json()), flush=True)


def _format_result(record: InstallRecord) -> str:
    return f"{record.state}{record.error and ': ' + record.error}"


def _exit_status(record: InstallRecord) -> int:
    """Return 0 where all rasps found are at their addresses, 1 where not all is well."""
    return 0 if record.state is InstallState.DONE and not record.error else 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dhcp_installer", description=__doc__)
    add = parser.add_argument
    add("--rack", type=Path, default=Path("rack.toml"), help="the layout (%(default)s)")
    add("--db", type=Path, default=Path("pirack.db"), help="the inventory (%(default)s)")
    arguments.add_arguments(parser)
    add(
        "--ping",
        default="icmp",
        type=arguments.ping_method,
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
