"""The command line of `python -m virtual_rack`."""

import argparse
import re
from pathlib import Path

from exporter.aliases import DEFAULT_PATH
from rack import targets
from virtual_rack.faults import Fault

NAMESPACES = "namespaces"
"""Value of `--network` for network namespaces. Other values are loopback networks."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m virtual_rack", description="Run a virtual rack, and inject faults into it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument(
        "--state", type=Path, default=Path(".demo"), help="state folder (default: %(default)s)"
    )
    _add_run_options(
        commands.add_parser("run", parents=[state], help="run a virtual rack until Ctrl-C")
    )
    inject = commands.add_parser("fault", parents=[state], help="inject a fault into rasps")
    clear = commands.add_parser("heal", parents=[state], help="clear faults of rasps")
    for command in (inject, clear):
        command.add_argument("targets", help=f"separated by spaces: {targets.SYNTAX}")
    faults = [str(fault) for fault in Fault]
    inject.add_argument("fault", choices=faults)
    clear.add_argument("fault", choices=faults, nargs="?", help="default: all faults")
    commands.add_parser("status", parents=[state], help="print the phases and faults of the rasps")
    enter = commands.add_parser(
        "enter", parents=[state], help="run a command on the master of a namespace rack"
    )
    enter.add_argument("argv", nargs="+", metavar="COMMAND", help="write -- before the command")
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("--rack", type=Path, default=Path("rack.toml"), help="layout file")
    run.add_argument("--aliases", type=Path, default=DEFAULT_PATH, help="aliases file of the rasps")
    run.add_argument(
        "--boot-time",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="mean boot time (default: %(default)s)",
    )
    run.add_argument(
        "--network",
        type=_network_argument,
        default="127.23",
        metavar="127.N",
        help="first two octets of the rasps' addresses (default: %(default)s), or `namespaces` for"
        " rasps in network namespaces, with real DHCP clients and a real DHCP server",
    )
    run.add_argument(
        "--link-time",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="delay before the switch forwards packets on a new link; only with namespaces",
    )
    run.add_argument(
        "--keep-page-cache",
        action="store_true",
        help="keep data that was not synced at a power cut, as a control experiment; only with"
        " namespaces",
    )
    run.add_argument(
        "--uplink",
        action="store_true",
        help="connect this machine to the network of the rack; only with namespaces and as root",
    )
    run.add_argument(
        "--new",
        action="store_true",
        help="start with an empty inventory, as before an install",
    )
    run.add_argument(
        "--fault",
        type=_fault_argument,
        action="append",
        default=[],
        metavar="TARGETS:FAULT",
        help="initial fault such as 3/2:dead or 03-2:dead; repeatable",
    )
    run.add_argument(
        "--seed", type=int, default=2016, help="seed of loads and boot times (default: %(default)s)"
    )


def _network_argument(text: str) -> str:
    if text == NAMESPACES or re.fullmatch(r"127\.\d{1,3}", text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not a valid network: use 127.N or {NAMESPACES}")


def _fault_argument(text: str) -> tuple[str, Fault]:
    targets, _, fault = text.rpartition(":")
    if targets and fault in set(Fault):
        return targets, Fault(fault)
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a valid fault: use TARGETS:FAULT such as 3/2:dead or 03-2:dead,"
        f" with one of {', '.join(Fault)}"
    )
