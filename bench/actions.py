"""How long an action on 48 rasps takes, beside the parallel shells clush and pdsh.

`python -m bench.actions` prints a table in Markdown, and ends with 1 if a bar is missed. Needs
root: there is a real OpenSSH server at each of 48 addresses of loopback.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

from bench.exporter import machine
from bench.shells import clush, pdsh, ssh_options
from controller.host_keys import HostKeys
from controller.master_key import MasterKey
from controller.ssh import Ssh
from rack.inventory import Rasp
from tests.controller.openssh import host_key, network, sshds
from tests.waiting import free_port

_COLD, _WARM = "PiRack, first action", "PiRack, the next one"
_CLUSH, _PDSH = "clush", "pdsh"
_SHARED = "clush, connections shared and open"
_BARS = {_COLD: 0.5, _WARM: 0.15}
_TIMEOUT = 60.0

# The cheapest that sshd can be asked for: what Python costs is paid by each rasp on its own,
# and 48 times on this machine.
_FORCED = 'restrict,command="echo $SSH_ORIGINAL_COMMAND" '


def measure(rounds: int) -> Mapping[str, float]:
    """Return the seconds that each takes, medians of so many rounds."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runner = stack.enter_context(asyncio.Runner())
        port = free_port()
        rasps = _rasps()
        addresses = [str(rasp.address) for rasp in rasps]
        key = MasterKey(folder / "ssh")
        key.make()
        keys = {address: host_key(folder, f"host_key_{address}_") for address in addresses}
        options = ssh_options(folder / "ssh", port)
        sharing = [f"ControlPath={folder}/%%h", "ControlMaster=auto", "ControlPersist=60"]
        sharing_options = ssh_options(folder / "ssh", port, *sharing)
        shells = [
            clush(_CLUSH, addresses, options, "hello"),
            pdsh(_PDSH, addresses, options, "hello"),
            clush(_SHARED, addresses, sharing_options, "hello"),
        ]
        stack.enter_context(sshds(folder, keys, port, [_FORCED + key.public_line()]))
        HostKeys(folder / "ssh", port).pin(rasps)
        shells[-1].run()
        seconds: dict[str, list[float]] = {}

        def note(name: str, run: Callable[[], object]) -> None:
            began = time.perf_counter()
            run()
            seconds.setdefault(name, []).append(time.perf_counter() - began)

        for _ in range(rounds):
            ssh = Ssh(folder / "ssh", port)
            for name in (_COLD, _WARM):
                note(name, lambda ssh=ssh: runner.run(_order(ssh, rasps)))  # type: ignore[misc]
            runner.run(ssh.close())
            for shell in shells:
                note(shell.name, shell.run)
    return {name: statistics.median(each) for name, each in seconds.items()}


def _rasps() -> list[Rasp]:
    return [
        Rasp(
            stack,
            slot,
            f"b8:27:eb:00:{stack:02x}:{slot:02x}",
            IPv4Address(f"{network()}.{stack}.{slot}"),
        )
        for stack in range(1, 13)
        for slot in range(1, 5)
    ]


async def _order(ssh: Ssh, rasps: list[Rasp]) -> None:
    answers = await asyncio.gather(
        *(ssh.run(rasp.address, "hello", timeout=_TIMEOUT) for rasp in rasps)
    )
    if {answer.output for answer in answers} != {"hello\n"}:
        raise ValueError("a rasp did not answer as it must")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.actions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    seconds = measure(parser.parse_args().rounds)
    fastest = min(seconds[_CLUSH], seconds[_PDSH])
    lines = [machine(), "", "| | seconds | of the faster shell's | bar |", "|---|---:|---:|---:|"]
    missed = False
    for name, each in seconds.items():
        ratio = each / fastest
        bar = _BARS.get(name)
        is_missed = bar is not None and ratio > bar
        missed |= is_missed
        lines.append(
            f"| {name} | {each:.3f} | {ratio:.3f} | {bar or ''}{' MISSED' if is_missed else ''} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
