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
from virtual_rack.demo_access import Credentials, let_in
from virtual_rack.demo_plan import Plan, lay_out, plan, services
from virtual_rack.ports import holder
from virtual_rack.programs import ProgramError
from virtual_rack.services import Running, Service, stop_all

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
        here = plan(options.rack, options.port_base)
        _refuse_taken_ports(here)
        lay_out(here)
        _run(here, services(here), let_in(here.database), stop)
    except (DemoError, RackError, ProgramError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _refuse_taken_ports(here: Plan) -> None:
    taken = [
        f"  {address}:{port}, for the {name}, is taken by {who}"
        for name, (address, port) in here.sockets.items()
        if (who := holder(address, port))
    ]
    if taken:
        raise DemoError(
            "\n".join(
                ["The demo cannot start:", *taken, "Choose others: make demo PORT_BASE=12000"]
            )
        )


def _run(
    here: Plan, wanted: Sequence[Service], credentials: Credentials, stop: threading.Event
) -> None:
    running: list[Running] = []
    try:
        for service in wanted:
            print(f"starting {service.name}", flush=True)
            running.append(Running(service))
        for each in running:
            _wait_ready(each, stop)
        _wait_for_rasps(here, stop)
        if not stop.is_set():
            print(_welcome(here, wanted, credentials), flush=True)
        _keep_running(running, stop)
    finally:
        print("\nstopping", flush=True)
        stop_all(running)


def _wait_ready(running: Running, stop: threading.Event) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not stop.wait(_POLL_SECONDS):
        if running.status is not None:
            raise DemoError(f"{running.service.name} ended at once:\n{running.last_words}")
        if _answers(running.service.ready):
            return
        if time.monotonic() > deadline:
            raise DemoError(
                f"{running.service.name} is not ready after {_READY_SECONDS:.0f} s:"
                f" see {running.service.log}"
            )


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _wait_for_rasps(here: Plan, stop: threading.Event) -> None:
    deadline = time.monotonic() + _RASPS_READY_SECONDS
    shown = -1
    while not stop.wait(_POLL_SECONDS):
        try:
            answer = requests.get(f"{here.url}/api/v1.0/rack", timeout=10).json()
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


def _welcome(here: Plan, wanted: Sequence[Service], credentials: Credentials) -> str:
    own_state = "" if here.state == Path(".demo") else f" --state {here.state}"
    lines = [
        "",
        f"The rack        {here.url}",
        f"The API         {here.url}/api/v1.0/rasps",
        *(f"{each.name:15} {each.page}" for each in wanted if each.page),
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


def _keep_running(running: list[Running], stop: threading.Event) -> None:
    """Start again what ends, as systemd does on a real master, until told to stop."""
    ended_at: dict[int, float] = {}
    while not stop.wait(_POLL_SECONDS):
        for i, each in enumerate(running):
            if each.status is None:
                continue
            if i not in ended_at:
                ended_at[i] = time.monotonic()
                print(
                    f"{each.service.name} ended (exit status {each.status});"
                    f" it is started again in {_RESTART_SECONDS:.0f} s",
                    flush=True,
                )
            elif time.monotonic() >= ended_at[i] + _RESTART_SECONDS:
                del ended_at[i]
                running[i] = Running(each.service)


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
