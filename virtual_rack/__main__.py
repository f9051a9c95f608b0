"""Run a virtual rack, and inject faults into it while it is running."""

import argparse
import sys
from collections import Counter

from exporter.aliases import AliasesError
from exporter.aliases import load as load_aliases
from rack.errors import PiRackError
from rack.layout_file import load as load_layout
from rack.target_ranges import abbreviate
from tools.programs import ProgramError
from virtual_rack import control, lifecycle, sandbox
from virtual_rack.command_line import NAMESPACES, build_parser
from virtual_rack.loopback import LoopbackOptions, loopback_rack


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        match options.command:
            case "run" if options.network == NAMESPACES:
                return sandbox.run(
                    sys.argv[1:] if arguments is None else arguments,
                    load_layout(options.rack),
                    has_uplink=options.uplink,
                )
            case "run":
                return _run(options)
            case "enter":
                return sandbox.enter(options.state, options.argv)
            case _:
                return _send_request(options)
    except (PiRackError, AliasesError, ProgramError) as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if options.link_time:
        print(
            "--link-time requires --network namespaces: loopback has no links",
            file=sys.stderr,
        )
        return 2
    if options.uplink:
        print(
            "--uplink requires --network namespaces: this machine has the addresses of loopback",
            file=sys.stderr,
        )
        return 2
    if options.keep_page_cache:
        print(
            "--keep-page-cache requires --network namespaces: loopback has no SD cards",
            file=sys.stderr,
        )
        return 2
    options.state.mkdir(parents=True, exist_ok=True)
    stop = lifecycle.stop_event_from_signals()
    rack = loopback_rack(
        load_layout(options.rack),
        load_aliases(options.aliases),
        options.state,
        LoopbackOptions(options.network, options.boot_time, options.seed),
    )
    greeting = f"{len(rack.rack.slots)} rasps at {options.network}.STACK.SLOT"
    try:
        lifecycle.run(rack, options.state, stop, greeting, is_new=options.new, faults=options.fault)
    except OSError as error:
        print(
            f"cannot listen on an address of the virtual rack: {error.strerror or error}:"
            " stop the other virtual rack, or choose another --network such as 127.24",
            file=sys.stderr,
        )
        return 2
    return 0


def _send_request(options: argparse.Namespace) -> int:
    request: dict[str, object] = {"command": options.command}
    if options.command != "status":
        request |= {"targets": options.targets.split(), "fault": options.fault}
    reply = control.send(options.state, request)
    if "error" in reply:
        print(reply["error"], file=sys.stderr)
        return 2
    match options.command:
        case "status":
            _print_status(reply["rasps"])
        case "fault":
            print(f"{_names(reply['rasps'])}: fault {options.fault} injected")
        case _:
            _print_cleared(options.fault, reply)
    return 0


def _print_cleared(fault: str | None, reply: control.Message) -> None:
    if not reply["cleared"]:
        print(f"{_names(reply['rasps'])}: no fault{f' {fault}' if fault else ''} to clear")
    for cleared_fault, names in reply["cleared"].items():
        print(f"{_names(names)}: fault {cleared_fault} cleared")


def _names(rasps: list[str]) -> str:
    return " ".join(abbreviate(rasps))


def _print_status(rasps: dict[str, dict[str, object]]) -> None:
    counts = Counter(str(rasp["phase"]) for rasp in rasps.values())
    print(", ".join(f"{count} {phase}" for phase, count in counts.items()))
    for name, rasp in rasps.items():
        if faults := rasp["faults"]:
            names = ", ".join(faults if isinstance(faults, list) else ())
            print(f"{name}: {rasp['phase']}, faults: {names}")


if __name__ == "__main__":
    sys.exit(main())
