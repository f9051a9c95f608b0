"""Attack a virtual rack from one rasp, and measure the effect on the other rasps and on Prometheus.

`python -m bench.hostile_rasp` prints a Markdown table, and exits with 1 if a target is missed:
throughout each attack, the other rasps must be displayed as up, and Prometheus may use 1.5 times
the memory that it used before. After the attack, they must be up within three scrape intervals.
Each attack comes from another rasp, because a rasp can be quarantined. `--without-limits` removes
the limits from the configuration, to compare.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.process_tree import measure_usage
from virtual_rack import control
from virtual_rack.demo.config import DemoConfig, RackOptions, make_config, write_files
from virtual_rack.demo.processes import ManagedProcess, stop_all
from virtual_rack.demo.services import process_specs
from virtual_rack.hostile_exporter import Attack, HostileExporter

MAX_MEMORY_RATIO, MAX_RECOVERY_SECONDS = 1.5, 15.0

_START_SECONDS = 240.0
_WARM_UP_SECONDS = 60.0  # until the memory of Prometheus is stable
_MAX_WAIT_SECONDS = 420.0
_POLL_SECONDS = 1.0
_LIMITS_OF_RASPS = re.compile(r"(targets/rasp\.json\]\n).*?\n\n", re.DOTALL)


@dataclass(frozen=True)
class AttackResult:
    """Effects of an attack.

    `wrong` counts the checks in which another rasp was not up. `recovery` is the time from the end
    of the attack until the other rasps are up, or infinite.
    """

    attack: Attack
    memory_before: int
    memory_peak: int
    checks: int
    wrong: int
    recovery: float

    @property
    def is_passed(self) -> bool:
        """Whether all targets are met."""
        ratio = self.memory_peak / self.memory_before
        return (
            not self.wrong and ratio <= MAX_MEMORY_RATIO and self.recovery <= MAX_RECOVERY_SECONDS
        )

    @property
    def row(self) -> str:
        """Row of the table."""
        cells = (
            self.attack,
            f"{self.memory_before / 1e6:.0f} MB",
            f"{self.memory_peak / 1e6:.0f} MB",
            f"{self.memory_peak / self.memory_before:.2f}",
            f"{self.wrong} of {self.checks}",
            f"{self.recovery:.0f} s",
        )
        return f"| {' | '.join(cells)} |"


class AttackedRack:
    """A running demo, and the rasps that have attacked it: the first rasp of one stack for each."""

    def __init__(self, config: DemoConfig, prometheus: ManagedProcess) -> None:
        self._config = config
        self._prometheus = prometheus
        self._hostile: list[str] = []

    def others_are_up(self) -> bool:
        """Return whether the controller displays the rasps that never attacked as up."""
        try:
            rasps = requests.get(f"{self._config.controller_url}/api/v1.0/rasps", timeout=9).json()
        except requests.RequestException:
            return False
        return all(rasp["state"] == "up" for rasp in rasps if rasp["name"] not in self._hostile)

    def wait_until_up(self, timeout: float) -> float:
        """Return the seconds until the other rasps are up, or infinity after the timeout."""
        start = time.monotonic()
        while not self.others_are_up():
            time.sleep(_POLL_SECONDS)
            if time.monotonic() > start + timeout:
                return float("inf")
        return time.monotonic() - start

    def run(self, attack: Attack, seconds: float) -> AttackResult:
        """Run an attack instead of the exporter of a rasp that has not attacked before."""
        stack = len(self._hostile) + 1
        self._hostile.append(f"{stack:02}-1")
        memory_before = memory_peak = measure_usage(self._prometheus.pid).rss
        checks = wrong = 0
        self._send_command("fault", "dead")
        address = f"{self._config.network}.{stack}.1"
        hostile = HostileExporter(address, self._config.exporter_port, [attack])
        hostile.start()
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
                checks += 1
                wrong += not self.others_are_up()
                memory_peak = max(memory_peak, measure_usage(self._prometheus.pid).rss)
        finally:
            hostile.close()
            self._send_command("heal", None)
        recovery = self.wait_until_up(_MAX_WAIT_SECONDS)
        return AttackResult(attack, memory_before, memory_peak, checks, wrong, recovery)

    def _send_command(self, command: str, fault: str | None) -> None:
        request = {"command": command, "targets": [self._hostile[-1]], "fault": fault}
        control.send(self._config.state, request)


@contextmanager
def attacked_rack(*, with_limits: bool) -> Iterator[AttackedRack]:
    """Run a demo in a temporary folder. Yield the rack when all rasps are up."""
    layout, home = Path("rack.toml").resolve(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        config = make_config(RackOptions(layout), 21_000 + os.getpid() % 400 * 10)
        write_files(config)
        if not with_limits:
            file = config.state / "prometheus" / "prometheus.yml"
            file.write_text(_LIMITS_OF_RASPS.sub(r"\1\n", file.read_text()))
        processes = []
        try:
            os.environ["PYTHONPATH"] = str(home)
            processes = [ManagedProcess(spec) for spec in process_specs(config)]
            [prometheus] = [each for each in processes if each.spec.name == "Prometheus"]
            rack = AttackedRack(config, prometheus)
            if rack.wait_until_up(_START_SECONDS) > _START_SECONDS:
                raise OSError("the rasps are not up")
            time.sleep(_WARM_UP_SECONDS)
            yield rack
        finally:
            stop_all(processes)
            os.chdir(home)


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile_rasp", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="duration of each attack")
    parser.add_argument("--attack", choices=list(Attack), action="append", help="default: all")
    parser.add_argument("--without-limits", action="store_true", help="remove the limits first")
    options = parser.parse_args()
    sys.stdout.write("| attack | memory before | peak | ratio | wrong checks | recovery |\n")
    sys.stdout.write("|---|---:|---:|---:|---:|---:|\n")
    results = []
    with attacked_rack(with_limits=not options.without_limits) as rack:
        for attack in options.attack or Attack:
            results.append(rack.run(Attack(attack), options.seconds))
            sys.stdout.write(f"{results[-1].row}\n")
            sys.stdout.flush()
    return 0 if all(result.is_passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
