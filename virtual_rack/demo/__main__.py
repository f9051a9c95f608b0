"""`make demo`: a virtual rack, with all that watches it, from one command until Ctrl-C.

Everything runs on loopback and as whoever starts it; all that it writes is in its state folder.
"""

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import requests

from rack.errors import RackError
from tools.programs import ProgramError
from virtual_rack.demo.config import DemoConfig, make_config, process_specs, write_files
from virtual_rack.demo.credentials import Credentials, create_credentials
from virtual_rack.demo.ports import process_on_port
from virtual_rack.demo.processes import ManagedProcess, ProcessSpec, stop_all

_READY_SECONDS = 60.0
_RASPS_READY_SECONDS = 180.0
_RESTART_SECONDS = 10.0
_POLL_SECONDS = 0.25


class DemoError(Exception):
    """The demo cannot go on; the text says what is in the way and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo until Ctrl-C; return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        here = make_config(options.rack, options.port_base)
        _check_ports(here)
        write_files(here)
        _run(here, process_specs(here), create_credentials(here.database), stop)
    except (DemoError, RackError, ProgramError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _check_ports(config: DemoConfig) -> None:
    taken = [
        f"  {address}:{port}, for the {name}, is taken by {who}"
        for name, (address, port) in config.listen_addresses.items()
        if (who := process_on_port(address, port))
    ]
    if taken:
        raise DemoError(
            "\n".join(
                ["The demo cannot start:", *taken, "Choose others: make demo PORT_BASE=12000"]
            )
        )


def _run(
    config: DemoConfig,
    specs: Sequence[ProcessSpec],
    credentials: Credentials,
    stop: threading.Event,
) -> None:
    running: list[ManagedProcess] = []
    try:
        for service in specs:
            print(f"starting {service.name}", flush=True)
            running.append(ManagedProcess(service))
        for each in running:
            _wait_ready(each, stop)
        _wait_for_rasps(config, stop)
        if not stop.is_set():
            print(_welcome_text(config, specs, credentials), flush=True)
        _keep_running(running, stop)
    finally:
        print("\nstopping", flush=True)
        stop_all(running)


def _wait_ready(process: ManagedProcess, stop: threading.Event) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not stop.wait(_POLL_SECONDS):
        if process.exit_status is not None:
            raise DemoError(f"{process.spec.name} ended at once:\n{process.last_output}")
        if _is_ready(process.spec.ready_url):
            return
        if time.monotonic() > deadline:
            raise DemoError(
                f"{process.spec.name} is not ready after {_READY_SECONDS:.0f} s:"
                f" see {process.spec.log_file}"
            )


def _is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _wait_for_rasps(config: DemoConfig, stop: threading.Event) -> None:
    deadline = time.monotonic() + _RASPS_READY_SECONDS
    shown = -1
    while not stop.wait(_POLL_SECONDS):
        try:
            answer = requests.get(f"{config.controller_url}/api/v1.0/rack", timeout=10).json()
        except requests.RequestException as error:
            raise DemoError(f"the controller does not answer any more: {error}") from error
        up, rasps = answer["states"]["up"], answer["rasps"] - answer["states"]["off"]
        if up != shown:
            print(f"{up} of {rasps} rasps are up", flush=True)
            shown = up
        if up == rasps:
            return
        if time.monotonic() > deadline:
            print("going on without the others", flush=True)
            return


def _welcome_text(
    config: DemoConfig, specs: Sequence[ProcessSpec], credentials: Credentials
) -> str:
    own_state = "" if config.state == Path(".demo") else f" --state {config.state}"
    lines = [
        "",
        f"The rack        {config.controller_url}",
        f"The API         {config.controller_url}/api/v1.0/rasps",
        *(f"{each.name:15} {each.page_url}" for each in specs if each.page_url),
        "",
        "Everybody may look. To do more, for this run:",
        f"  log in        {credentials.user}, password {credentials.password}",
        f"  API token     {credentials.token}",
        "",
        "Break something, and see it:",
        f"  .venv/bin/python -m virtual_rack fault 3/2 dead{own_state}",
        f"  .venv/bin/python -m virtual_rack heal 3/2{own_state}",
        "",
        "Ctrl-C ends it all.",
    ]
    return "\n".join(lines)


def _keep_running(processes: list[ManagedProcess], stop: threading.Event) -> None:
    """Start again what ends, as systemd does on a real master, until told to stop."""
    ended_at: dict[int, float] = {}
    while not stop.wait(_POLL_SECONDS):
        for i, each in enumerate(processes):
            if each.exit_status is None:
                continue
            if i not in ended_at:
                ended_at[i] = time.monotonic()
                print(
                    f"{each.spec.name} ended (exit status {each.exit_status});"
                    f" it is started again in {_RESTART_SECONDS:.0f} s",
                    flush=True,
                )
            elif time.monotonic() >= ended_at[i] + _RESTART_SECONDS:
                del ended_at[i]
                processes[i] = ManagedProcess(each.spec)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m virtual_rack.demo", description=__doc__)
    parser.add_argument(
        "--rack", type=Path, default=Path("rack.toml"), help="the layout (default: %(default)s)"
    )
    parser.add_argument(
        "--port-base",
        type=_port_base,
        metavar="PORT",
        help="the first of five ports to use, in place of 8080, 9090, 9115, 3000 and 9093",
    )
    return parser


def _port_base(text: str) -> int:
    if text.isdigit() and 1024 <= int(text) <= 65000:  # noqa: PLR2004
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port from 1024 to 65000")


if __name__ == "__main__":
    sys.exit(main())
