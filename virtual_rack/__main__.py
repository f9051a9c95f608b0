"""`python -m virtual_rack`: run a virtual rack, and put faults on it while it runs."""

import argparse
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from exporter.aliases import DEFAULT_PATH, AliasesError
from exporter.aliases import load as load_aliases
from rack.database import Database
from rack.errors import RackError
from rack.inventory import Inventory
from rack.layout_file import load as load_layout
from virtual_rack import control
from virtual_rack.faults import Fault
from virtual_rack.loopback import Options, loopback_rack

_TICK_SECONDS = 0.25


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "run":
            return _run(options)
        return _ask(options)
    except (RackError, AliasesError, control.NoRackThere) as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    state: Path = options.state
    state.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rack = loopback_rack(
        load_layout(options.rack),
        load_aliases(options.aliases),
        state,
        Options(options.network, options.boot_time, options.seed),
    )
    Inventory(Database(state / "pirack.db")).replace(rack.inventory())
    try:
        with control.serving(rack, state):
            rack.power_on()
            print(f"{len(rack.rack.slots)} rasps at {options.network}.STACK.SLOT", flush=True)
            while not stop.wait(_TICK_SECONDS):
                rack.advance()
    except OSError as error:
        print(
            f"an address of the virtual rack cannot be had: {error.strerror or error}:"
            " another one may run; choose its own --network, such as 127.24",
            file=sys.stderr,
        )
        return 2
    finally:
        rack.close()
    return 0


def _ask(options: argparse.Namespace) -> int:
    request: dict[str, object] = {"do": options.command}
    if options.command != "status":
        request |= {"places": options.places.split(), "fault": options.fault}
    reply = control.ask(options.state, request)
    if "error" in reply:
        print(reply["error"], file=sys.stderr)
        return 2
    if options.command == "status":
        _print_status(reply["rasps"])
    else:
        print(*reply["rasps"])
    return 0


def _print_status(rasps: dict[str, dict[str, object]]) -> None:
    counts = Counter(str(rasp["phase"]) for rasp in rasps.values())
    print(", ".join(f"{count} {phase}" for phase, count in counts.items()))
    for name, rasp in rasps.items():
        if faults := rasp["faults"]:
            print(name, rasp["phase"], *(faults if isinstance(faults, list) else ()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m virtual_rack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument(
        "--state", type=Path, default=Path(".demo"), help="its folder (default: %(default)s)"
    )
    run = commands.add_parser("run", parents=[state], help="run a virtual rack until Ctrl-C")
    run.add_argument("--rack", type=Path, default=Path("rack.toml"), help="the layout")
    run.add_argument("--aliases", type=Path, default=DEFAULT_PATH, help="each rasp's aliases")
    run.add_argument(
        "--boot-time", type=float, default=5.0, metavar="SECONDS", help="default: %(default)s"
    )
    run.add_argument(
        "--network",
        default="127.23",
        metavar="127.N",
        help="the first two octets of the rasps' addresses (default: %(default)s)",
    )
    run.add_argument("--seed", type=int, default=2016, help="of loads and boot times")
    fault = commands.add_parser("fault", parents=[state], help="put a fault on rasps")
    heal = commands.add_parser("heal", parents=[state], help="take faults off rasps")
    for command in (fault, heal):
        command.add_argument("places", help="such as 3/2, 3, 1-4/1, all")
    choices = [str(each) for each in Fault]
    fault.add_argument("fault", choices=choices)
    heal.add_argument("fault", choices=choices, nargs="?", help="default: all of them")
    commands.add_parser("status", parents=[state], help="say how the rasps are")
    return parser


if __name__ == "__main__":
    sys.exit(main())
