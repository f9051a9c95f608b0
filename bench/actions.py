"""Compare the duration of an order on 48 rasps with the parallel shells clush and pdsh.

The benchmark measures the time from the API request until all results arrived over SSH. `python -m
bench.actions` prints a Markdown table, and exits with 1 if a target is missed. The benchmark
requires root, because a real OpenSSH server listens on each of 48 loopback addresses.
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

_FIRST_ORDER, _NEXT_ORDER = "PiRack, first order", "PiRack, next order"
_CLUSH, _PDSH = "clush", "pdsh"
_CLUSH_SHARED = "clush, shared open connections"
_TARGETS = {_FIRST_ORDER: 0.5, _NEXT_ORDER: 0.15}
_ACTION = "sync"
_POLL_SECONDS = 0.01
_ACCEPTED = 202

# The cheapest command. On a real rack, each rasp starts Python itself. Here, one machine would have
# to start Python 48 times.
_FORCED_COMMAND = 'restrict,command="echo $SSH_ORIGINAL_COMMAND" '


class OrderBenchmarkClient:
    """A client that submits orders to a controller."""

    def __init__(self, url: str, token: str) -> None:
        self._api = f"{url}/api/v1.0"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def is_ready(self) -> bool:
        """Return whether the controller responds."""
        with suppress(requests.ConnectionError):
            return self._session.get(f"{self._api}/orders", timeout=10).ok
        return False

    def run_order(self) -> None:
        """Run the action on all rasps, and wait for all results."""
        response = self._session.post(
            f"{self._api}/rack/execute", json={"action": _ACTION}, timeout=60
        )
        if response.status_code != _ACCEPTED:
            raise ValueError(f"the order was rejected: {response.status_code} {response.text}")
        order: dict[str, Any] = response.json()
        while order["state"] == "running":
            time.sleep(_POLL_SECONDS)
            order = self._session.get(f"{self._api}/orders/{order['id']}", timeout=60).json()
        if {result["output"] for result in order["results"]} != {f"{_ACTION}\n"}:
            raise ValueError(f"unexpected output of a rasp: {order}")


@contextmanager
def running_controller(folder: Path, ssh_port: int, token: str) -> Iterator[OrderBenchmarkClient]:
    """Run a controller without relay pins and without Prometheus."""
    listen = f"127.0.0.1:{free_port()}"
    unused_address = f"127.0.0.1:{free_port()}"
    command = [
        *(sys.executable, "-m", "controller", "--rack", "rack.toml"),
        *("--db", str(folder / "pirack.db"), "--targets", str(folder / "targets")),
        *("--listen", listen, "--ssh-port", str(ssh_port)),
        *("--prometheus", f"http://{unused_address}", "--blackbox", unused_address),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            client = OrderBenchmarkClient(f"http://{listen}", token)
            wait_until(client.is_ready)
            yield client
        finally:
            process.terminate()


def measure(rounds: int) -> Mapping[str, float]:
    """Return the median duration in seconds for each program."""
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
        sharing_settings = [f"ControlPath={folder}/%%h", "ControlMaster=auto", "ControlPersist=60"]
        sharing_options = ssh_options(folder / "ssh", port, *sharing_settings)
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

        def time_run(name: str, run: Callable[[], None]) -> None:
            start = time.perf_counter()
            run()
            seconds.setdefault(name, []).append(time.perf_counter() - start)

        for _ in range(rounds):
            with running_controller(folder, port, token) as client:
                time_run(_FIRST_ORDER, client.run_order)
                time_run(_NEXT_ORDER, client.run_order)
            for shell in shells:
                time_run(shell.name, shell.run)
    return {name: statistics.median(values) for name, values in seconds.items()}


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
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.actions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    seconds = measure(parser.parse_args().rounds)
    fastest = min(seconds[_CLUSH], seconds[_PDSH])
    lines = [
        describe_machine(),
        "",
        "| | seconds | relative to the faster shell | target |",
        "|---|---:|---:|---:|",
    ]
    missed = False
    for name, value in seconds.items():
        ratio = value / fastest
        target = _TARGETS.get(name)
        is_missed = target is not None and ratio > target
        missed |= is_missed
        mark = " MISSED" if is_missed else ""
        lines.append(f"| {name} | {value:.3f} | {ratio:.3f} | {target or ''}{mark} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
