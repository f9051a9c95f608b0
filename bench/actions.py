"""How long an order on 48 rasps takes, beside the parallel shells clush and pdsh.

From a request to the controller's API to all results, by SSH. `python -m bench.actions` prints a
table in Markdown, and ends with 1 if a bar is missed. Needs root: there is a real OpenSSH server at
each of 48 addresses of loopback.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import requests

from bench.exporter import describe_machine
from bench.parallel_shells import clush, pdsh, ssh_options
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from controller.ssh.host_keys import HostKeys
from controller.ssh.master_key import MasterKey
from rack.database import Database
from rack.inventory import Inventory, Rasp
from tests.controller.openssh_servers import create_host_key, loopback_prefix, running_sshds
from tests.helpers.waiting import free_port, wait_until

_FIRST_ORDER, _NEXT_ORDER = "PiRack, the first order", "PiRack, the next one"
_CLUSH, _PDSH = "clush", "pdsh"
_CLUSH_SHARED = "clush, connections shared and open"
_TARGETS = {_FIRST_ORDER: 0.5, _NEXT_ORDER: 0.15}
_ACTION = "sync"
_POLL_SECONDS = 0.01
_ACCEPTED = 202

# The cheapest that sshd can be asked for: what Python costs is paid by each rasp on its own,
# and 48 times on this machine.
_FORCED_COMMAND = 'restrict,command="echo $SSH_ORIGINAL_COMMAND" '


class OrderBenchmarkClient:
    """A real controller, and a program that gives it orders."""

    def __init__(self, url: str, token: str) -> None:
        self._api = f"{url}/api/v1.0"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def is_ready(self) -> bool:
        """Whether it serves already."""
        with suppress(requests.ConnectionError):
            return self._session.get(f"{self._api}/orders", timeout=10).ok
        return False

    def run_order(self) -> None:
        """Order the action on all rasps, and wait for all results."""
        asked = self._session.post(
            f"{self._api}/rack/execute", json={"action": _ACTION}, timeout=60
        )
        if asked.status_code != _ACCEPTED:
            raise ValueError(f"the order was not taken: {asked.status_code} {asked.text}")
        order: dict[str, Any] = asked.json()
        while order["state"] == "running":
            time.sleep(_POLL_SECONDS)
            order = self._session.get(f"{self._api}/orders/{order['id']}", timeout=60).json()
        if {each["output"] for each in order["results"]} != {f"{_ACTION}\n"}:
            raise ValueError(f"a rasp did not answer as it must: {order}")


@contextmanager
def running_controller(folder: Path, ssh_port: int, token: str) -> Iterator[OrderBenchmarkClient]:
    """A controller without pins and without Prometheus, until the block is left."""
    listen = f"127.0.0.1:{free_port()}"
    nobody = f"127.0.0.1:{free_port()}"
    command = [
        *(sys.executable, "-m", "controller", "--rack", "rack.toml"),
        *("--db", str(folder / "pirack.db"), "--targets", str(folder / "targets")),
        *("--listen", listen, "--ssh-port", str(ssh_port)),
        *("--prometheus", f"http://{nobody}", "--blackbox", nobody),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            serving = OrderBenchmarkClient(f"http://{listen}", token)
            wait_until(serving.is_ready)
            yield serving
        finally:
            process.terminate()


def measure(rounds: int) -> Mapping[str, float]:
    """Return the seconds that each takes, medians of so many rounds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        rasps = _rasps()
        addresses = [str(rasp.address) for rasp in rasps]
        key = MasterKey(folder / "ssh")
        key.create()
        keys = {address: create_host_key(folder, f"host_key_{address}_") for address in addresses}
        database = Database(folder / "pirack.db")
        Inventory(database).replace(rasps)
        token = Tokens(database).add("bench", Role.OPERATOR)
        options = ssh_options(folder / "ssh", port)
        sharing = [f"ControlPath={folder}/%%h", "ControlMaster=auto", "ControlPersist=60"]
        sharing_options = ssh_options(folder / "ssh", port, *sharing)
        shells = [
            clush(_CLUSH, addresses, options, _ACTION),
            pdsh(_PDSH, addresses, options, _ACTION),
            clush(_CLUSH_SHARED, addresses, sharing_options, _ACTION),
        ]
        stack.enter_context(
            running_sshds(folder, keys, port, [_FORCED_COMMAND + key.public_key_line()])
        )
        HostKeys(folder / "ssh", port).fetch_and_pin(rasps)
        shells[-1].run()
        seconds: dict[str, list[float]] = {}

        def note(name: str, run: Callable[[], None]) -> None:
            began = time.perf_counter()
            run()
            seconds.setdefault(name, []).append(time.perf_counter() - began)

        for _ in range(rounds):
            with running_controller(folder, port, token) as serving:
                note(_FIRST_ORDER, serving.run_order)
                note(_NEXT_ORDER, serving.run_order)
            for shell in shells:
                note(shell.name, shell.run)
    return {name: statistics.median(each) for name, each in seconds.items()}


def _rasps() -> list[Rasp]:
    return [
        Rasp(
            stack,
            slot,
            f"b8:27:eb:00:{stack:02x}:{slot:02x}",
            IPv4Address(f"{loopback_prefix()}.{stack}.{slot}"),
        )
        for stack in range(1, 13)
        for slot in range(1, 5)
    ]


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.actions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    seconds = measure(parser.parse_args().rounds)
    fastest = min(seconds[_CLUSH], seconds[_PDSH])
    lines = [
        describe_machine(),
        "",
        "| | seconds | of the faster shell's | bar |",
        "|---|---:|---:|---:|",
    ]
    missed = False
    for name, each in seconds.items():
        ratio = each / fastest
        bar = _TARGETS.get(name)
        is_missed = bar is not None and ratio > bar
        missed |= is_missed
        lines.append(
            f"| {name} | {each:.3f} | {ratio:.3f} | {bar or ''}{' MISSED' if is_missed else ''} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
