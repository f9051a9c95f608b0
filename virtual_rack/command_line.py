"""The command line of `python -m virtual_rack`."""

import argparse
import re
from pathlib import Path

from exporter.aliases import DEFAULT_PATH
from virtual_rack.faults import Fault

NAMESPACES = "namespaces"
"""The network that is made of network namespaces; any other is one of loopback."""


def build_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    own = argparse.ArgumentParser(
        prog="python -m virtual_rack", description="Run a virtual rack, and put faults on it."
    )
    commands = own.add_subparsers(dest="command", required=True)
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument(
        "--state", type=Path, default=Path(".demo"), help="its folder (default: %(default)s)"
    )
    _add_run_options(
        commands.add_parser("run", parents=[state], help="run a virtual rack until Ctrl-C")
    )
    fault = commands.add_parser("fault", parents=[state], help="put a fault on rasps")
    heal = commands.add_parser("heal", parents=[state], help="take faults off rasps")
    for command in (fault, heal):
        command.add_argument("places", help="such as 3/2, 3, 1-4/1, all")
    choices = [str(each) for each in Fault]
    fault.add_argument("fault", choices=choices)
    heal.add_argument("fault", choices=choices, nargs="?", help="default: all of them")
    commands.add_parser("status", parents=[state], help="say how the rasps are")
    enter = commands.add_parser(
        "enter", parents=[state], help="run a command on the master of a rack of namespaces"
    )
    enter.add_argument("argv", nargs="+", metavar="COMMAND", help="write -- before it")
    return own


def _add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("--rack", type=Path, default=Path("rack.toml"), help="the layout")
    run.add_argument("--aliases", type=Path, default=DEFAULT_PATH, help="each rasp's aliases")
    run.add_argument(
        "--boot-time", type=float, default=5.0, metavar="SECONDS", help="default: %(default)s"
    )
    run.add_argument(
        "--network",
        type=_network_argument,
        default="127.23",
        metavar="127.N",
        help="the first two octets of the rasps' addresses (default: %(default)s), or `namespaces`:"
        " real clients of a real DHCP server, each in a network namespace of its own",
    )
    run.add_argument(
        "--link-time",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="for how long the switch holds a link that has come up; namespaces alone",
    )
    run.add_argument(
        "--new",
        action="store_true",
        help="as before an install: nobody knows yet which rasp is where",
    )
    run.add_argument(
        "--fault",
        type=_fault_argument,
        action="append",
        default=[],
        metavar="PLACES:FAULT",
        help="begin with a fault, such as 3/2:dead; can be said again",
    )
    run.add_argument("--seed", type=int, default=2016, help="of loads and boot times")


def _network_argument(text: str) -> str:
    if text == NAMESPACES or re.fullmatch(r"127\.\d{1,3}", text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is no network of a virtual rack: write 127.N or {NAMESPACES}"
    )


def _fault_argument(text: str) -> tuple[str, Fault]:
    places, _, fault = text.rpartition(":")
    if places and fault in set(Fault):
        return places, Fault(fault)
    raise argparse.ArgumentTypeError(
        f"{text!r} is no fault at some place: write such as 3/2:dead; there are {', '.join(Fault)}"
    )
