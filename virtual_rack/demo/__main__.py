"""Run the demo, a virtual rack with its monitoring services, until you press Ctrl-C.

All processes run as the current user, and write only to the state folder. They use loopback
addresses, except that the rasps in network namespaces have a network of their own.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from types import FrameType

import requests

from rack.demo_token import remove_demo_token, write_demo_token
from rack.errors import PiRackError
from tools.programs import ProgramError
from virtual_rack.command_line import NAMESPACES
from virtual_rack.demo.banner import welcome_text
from virtual_rack.demo.config import DemoConfig, RackOptions, make_config, write_files
from virtual_rack.demo.credentials import Credentials, create_credentials
from virtual_rack.demo.ports import interface_in_network, process_on_port
from virtual_rack.demo.power import POE
from virtual_rack.demo.processes import ManagedProcess, ProcessSpec, stop_all
from virtual_rack.demo.services import process_specs

_READY_SECONDS = 60.0
_RASPS_READY_SECONDS = 180.0
_RESTART_SECONDS = 10.0
_POLL_SECONDS = 0.25


class DemoError(PiRackError):
    """The demo cannot start or continue."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo until Ctrl-C, then return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop = threading.Event()

    def handle_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle_signal)
    try:
        config = make_config(_rack_options(options), options.port_base)
        _check_ports(config)
        _check_namespaces(config)
        write_files(config)
        credentials = create_credentials(config.database)
        write_demo_token(config.state, config.controller_url, credentials.token)
        try:
            _run(config, process_specs(config), credentials, stop)
        finally:
            remove_demo_token(config.state)
    except (PiRackError, ProgramError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _check_ports(config: DemoConfig) -> None:
    conflicts = [
        f"  {address}:{port} for {name} is in use by {process}"
        for name, (address, port) in config.listen_addresses.items()
        if (process := process_on_port(address, port))
    ]
    if conflicts:
        hint = "Choose other ports: make demo PORT_BASE=12000"
        raise DemoError("\n".join(["The demo cannot start:", *conflicts, hint]))


def _check_namespaces(config: DemoConfig) -> None:
    if not config.rack.has_namespaces:
        if config.rack.keeps_page_cache:
            raise DemoError(f"--keep-page-cache requires --network {NAMESPACES}")
        return
    if os.geteuid() != 0:
        raise DemoError(f"--network {NAMESPACES} requires root: run it with sudo, or without it")
    if interface := interface_in_network(config.network):
        raise DemoError(
            f"The demo cannot start: {interface} uses the network {config.network}.0.0/16.\n"
            "Choose another network: PORT_BASE=12000"
        )


def _run(
    config: DemoConfig,
    specs: Sequence[ProcessSpec],
    credentials: Credentials,
    stop: threading.Event,
) -> None:
    running: list[ManagedProcess] = []
    try:
        for spec in specs:
            print(f"starting {spec.name}", flush=True)
            running.append(ManagedProcess(spec))
        for process in running:
            _wait_ready(process, stop)
        _wait_for_rasps(config, stop)
        if not stop.is_set():
            print(welcome_text(config, specs, credentials), flush=True)
        _keep_running(running, stop)
    finally:
        print("\nstopping", flush=True)
        stop_all(running)


def _wait_ready(process: ManagedProcess, stop: threading.Event) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not stop.wait(_POLL_SECONDS):
        if process.exit_status is not None:
            raise DemoError(f"{process.spec.name} exited at startup:\n{process.last_output}")
        if _is_ready(process.spec.ready_url):
            return
        if time.monotonic() > deadline:
            raise DemoError(
                f"{process.spec.name} was not ready within {_READY_SECONDS:.0f} s:"
                f" see {process.spec.log_file}"
            )


def _is_ready(url: str) -> bool:
    try:
        status = requests.get(url, timeout=2, allow_redirects=False).status_code
    except requests.RequestException:
        return False
    return status in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}


def _wait_for_rasps(config: DemoConfig, stop: threading.Event) -> None:
    deadline = time.monotonic() + _RASPS_READY_SECONDS
    printed = -1
    while not stop.wait(_POLL_SECONDS):
        try:
            rack = requests.get(f"{config.controller_url}/api/v1.0/rack", timeout=10).json()
        except requests.RequestException as error:
            raise DemoError(f"the controller does not respond: {error}") from error
        up, rasps = rack["states"]["up"], rack["rasps"] - rack["states"]["off"]
        if up != printed:
            print(f"{up} of {rasps} rasps are up", flush=True)
            printed = up
        if up == rasps:
            return
        if time.monotonic() > deadline:
            print("continuing without the other rasps", flush=True)
            return


def _keep_running(processes: list[ManagedProcess], stop: threading.Event) -> None:
    """Until `stop` is set, restart each process that exits, as systemd does."""
    exited_at: dict[int, float] = {}
    while not stop.wait(_POLL_SECONDS):
        for i, process in enumerate(processes):
            if process.exit_status is None:
                continue
            if i not in exited_at:
                exited_at[i] = time.monotonic()
                print(
                    f"{process.spec.name} exited with status {process.exit_status};"
                    f" it will be restarted in {_RESTART_SECONDS:.0f} s",
                    flush=True,
                )
            elif time.monotonic() >= exited_at[i] + _RESTART_SECONDS:
                del exited_at[i]
                processes[i] = ManagedProcess(process.spec)


def _rack_options(options: argparse.Namespace) -> RackOptions:
    return RackOptions(
        options.rack,
        options.aliases,
        has_namespaces=options.network == NAMESPACES,
        boot_seconds=options.boot_time,
        keeps_page_cache=options.keep_page_cache,
        has_poe=options.power == POE,
    )


def _parser() -> argparse.ArgumentParser:
    defaults = RackOptions()
    parser = argparse.ArgumentParser(prog="python -m virtual_rack.demo", description=__doc__)
    parser.add_argument(
        "--rack", type=Path, default=defaults.layout, help="layout file (default: %(default)s)"
    )
    parser.add_argument(
        "--aliases", type=Path, default=defaults.aliases, help="aliases file of the rasps"
    )
    parser.add_argument(
        "--network",
        choices=("loopback", NAMESPACES),
        default="loopback",
        help="network of the rasps; as root, network namespaces with SD cards and real DHCP",
    )
    parser.add_argument(
        "--boot-time",
        type=float,
        default=defaults.boot_seconds,
        metavar="SECONDS",
        help="mean boot time of the rasps (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-page-cache",
        action="store_true",
        help="keep data that was not synced at a power cut; only with namespaces",
    )
    parser.add_argument(
        "--power",
        choices=(POE,),
        help="power each rasp by a port of a virtual PoE switch, instead of the outlets in --rack",
    )
    parser.add_argument(
        "--port-base",
        type=_port_base,
        metavar="PORT",
        help="first of five ports to use instead of 8080, 9090, 9115, 3000 and 9093",
    )
    return parser


def _port_base(text: str) -> int:
    if text.isdigit() and 1024 <= int(text) <= 65000:  # noqa: PLR2004
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1024 to 65000")


if __name__ == "__main__":
    sys.exit(main())
