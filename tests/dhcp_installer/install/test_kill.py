"""`kill -9` at any moment of an install: what is left is whole, and the next one puts it in order.

The installer is the real one, as people start it, in a process of its own. Several racks are
installed and killed side by side, for an install mostly waits.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from dhcp_installer.dhcpd.renderer import INSTALL_LEASE_SECONDS, LEASE_SECONDS
from dhcp_installer.install import recovery
from dhcp_installer.install.journal import InstallRecord, InstallState
from rack import commanded_power
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from virtual_rack.loopback import PING_PORT

PARALLEL_RACKS = 8
RANDOM_TRIALS = 50
BY_HAND = '# ours\noption domain-name "lab";\n'
INITIAL_POWER = [True, False]  # the stacks' power before an install


class ForkServer:
    """A process that others are forked from; see `forge`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.dhcp_installer.forked_installer"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def request(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=30)


@dataclass
class KillScenario:
    """A lab in which installs are killed, one after the other."""

    lab: InstallFixture
    fork_server: ForkServer

    def __post_init__(self) -> None:
        self.actual_rasps = self.lab.rasps
        # Half of the rack is known, in the other order.
        one, other = self.actual_rasps[:2]
        self.previous_rasps = [
            type(one)(1, 1, other.mac, one.address), type(one)(1, 2, one.mac, other.address)
        ]  # fmt: skip
        conf = self.lab.dependencies().configuration
        self.lab.config_path.write_text(BY_HAND)
        self.previous_config = conf.render(self.previous_rasps)
        self.short_lease_config = conf.render(
            self.previous_rasps, lease_seconds=INSTALL_LEASE_SECONDS
        )
        self.expected_rasps = [*self.previous_rasps, *self.actual_rasps[2:]]
        self.expected_config = conf.render(self.expected_rasps)
        assert f"max-lease-time {LEASE_SECONDS}" in self.expected_config

    def reset(self) -> None:
        self.lab.inventory.replace(self.previous_rasps)
        self.lab.config_path.write_text(self.previous_config)
        relays = self.lab.relays
        for stack, is_on in enumerate(INITIAL_POWER, start=1):
            (relays.on if is_on else relays.off)(stack)

    def start(self, **options: Any) -> int:
        """Begin an install; see `forge` for how."""
        lab = self.lab
        environment = {
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(lab.state),
        }
        argv = [
            *("--rack", str(lab.layout_path), "--db", str(lab.database.path), "--yes", "--json"),
            *("--dhcpd-conf", str(lab.config_path), "--dhcp-log", f"file:{lab.log_path}"),
            *("--dhcp-server", "watching", "--ping", f"tcp:{PING_PORT}"),
        ]
        out = str(lab.folder / "out")
        pid: int = self.fork_server.request(argv=argv, env=environment, out=out, **options)["pid"]
        return pid

    def wait(self, pid: int) -> int:
        status: int = self.fork_server.request(wait=pid)["status"]
        return status

    @property
    def output(self) -> str:
        return (self.lab.folder / "out").read_text()

    def assert_consistent(self) -> InstallRecord | None:
        """See that what a kill left is whole; return the install that it left, if it left one."""
        assert self.lab.config_path.read_text() in {
            self.previous_config,
            self.short_lease_config,
            self.expected_config,
        }
        assert self.lab.known_rasps in (self.previous_rasps, self.expected_rasps)
        relays = self.lab.relays  # which finishes what was ordered last
        assert relays.error == ""
        ordered = commanded_power.load_all(self.lab.database)
        assert self.lab.power == [ordered[stack].is_on for stack in (1, 2)]
        journal = self.lab.dependencies().journal
        journal.mark_interrupted()
        unsettled = journal.list_interrupted()
        assert len(unsettled) <= 1
        return unsettled[0] if unsettled else None

    def assert_next_install_succeeds(self, interrupted: InstallRecord | None) -> None:
        assert self.wait(self.start()) == 0, self.output
        assert self.lab.config_path.read_text() == self.expected_config
        assert self.lab.known_rasps == self.expected_rasps
        assert self.lab.power == [True, True]
        journal = self.lab.dependencies().journal
        assert journal.list_interrupted() == []
        if interrupted:
            assert f"install {interrupted.id} was interrupted" in self.output
            settled = journal.get(interrupted.id)
            assert settled is not None
            assert settled.state is InstallState.INTERRUPTED
            assert settled.finished_at is not None

    def assert_recovers(self, interrupted: InstallRecord | None) -> None:
        """See that the traces go without another install, as who stops an interrupted one wants."""
        recovery.recover_interrupted(self.lab.dependencies(), lambda _: None)
        if interrupted and interrupted.assignment is not None:
            assert self.lab.config_path.read_text() == self.expected_config
            assert self.lab.known_rasps == self.expected_rasps
        elif interrupted:
            assert self.lab.config_path.read_text() == self.previous_config
            assert self.lab.known_rasps == self.previous_rasps
        if interrupted and interrupted.assignment is None:
            assert self.lab.power == INITIAL_POWER
        elif interrupted:  # it may have been about to end, with power for all
            assert self.lab.power in (INITIAL_POWER, [True, True])


@pytest.fixture(scope="module")
def scenarios() -> Iterator[list[KillScenario]]:
    # In memory, where there is such a file system: what a kill leaves is the same, and each of
    # thousands of transactions does not wait for a disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        forge = ForkServer()
        stack.callback(forge.close)
        labs = [
            stack.enter_context(
                running_fixture(Path(stack.enter_context(TemporaryDirectory(dir=memory))))
            )
            for _ in range(PARALLEL_RACKS)
        ]
        yield [KillScenario(lab, forge) for lab in labs]


@contextmanager
def annotate_failures(trial: object) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{trial}: {error}") from error


@pytest.mark.timeout(300)
def test_a_kill_before_each_change_leaves_what_the_next_one_puts_in_order(
    scenarios: list[KillScenario],
) -> None:
    scenarios[0].reset()
    assert scenarios[0].wait(scenarios[0].start()) == 0, scenarios[0].output
    changes = int(scenarios[0].output.splitlines()[-1].split()[0])
    assert changes > 40
    settled = []

    def trials(bench: KillScenario, first: int) -> None:
        for number in range(first + 1, changes + 1, PARALLEL_RACKS):
            with annotate_failures(f"killed before change {number} of {changes}"):
                bench.reset()
                status = bench.wait(bench.start(die_at=number))
                assert status in {-signal.SIGKILL, 0}, bench.output  # 0: it had fewer to do
                left = bench.assert_consistent()
                if number % 4:
                    bench.assert_recovers(left)
                else:
                    bench.assert_next_install_succeeds(left)
                settled.append(left and left.assignment is not None)

    run_in_parallel(trials, scenarios)
    assert settled.count(False) > 20  # taken back
    assert settled.count(True) > 5  # completed


@pytest.mark.timeout(300)
def test_a_kill_at_any_moment_leaves_what_the_next_one_puts_in_order(
    scenarios: list[KillScenario],
) -> None:
    began = time.monotonic()
    scenarios[0].reset()
    assert scenarios[0].wait(scenarios[0].start()) == 0
    whole = time.monotonic() - began
    found = []

    def trials(bench: KillScenario, first: int) -> None:
        for seed in range(first, RANDOM_TRIALS, PARALLEL_RACKS):
            after = Random(seed).uniform(0, whole)
            with annotate_failures(f"trial {seed}, killed after {after:.3f} s of {whole:.3f}"):
                bench.reset()
                pid = bench.start()
                time.sleep(after)  # the moment is what is tried
                os.kill(pid, signal.SIGKILL)
                bench.wait(pid)
                left = bench.assert_consistent()
                found.append(left is not None)
                if seed % 2:
                    bench.assert_next_install_succeeds(left)
                else:
                    bench.assert_recovers(left)

    run_in_parallel(trials, scenarios)
    assert len(found) == RANDOM_TRIALS
    assert sum(found) > RANDOM_TRIALS / 2  # most kills met an install at work


def test_a_disk_that_is_full_for_dhcpd_conf_changes_nothing(scenarios: list[KillScenario]) -> None:
    """A file that may grow no further fails as one on a full disk does."""
    bench = scenarios[0]
    bench.reset()
    large = f"{BY_HAND}{'# a long remark' * 40_000}\n"
    bench.lab.config_path.write_text(large)
    moves = bench.lab.virtual.stack_power()
    assert bench.wait(bench.start(largest_file=500_000)) == 1
    assert "File too large: nothing was changed" in bench.output
    assert bench.lab.config_path.read_text() == large
    assert bench.lab.known_rasps == bench.previous_rasps
    assert bench.lab.virtual.stack_power() == moves
    names = [path.name for path in bench.lab.config_path.parent.iterdir()]
    assert not [name for name in names if "pirack-new" in name]


@pytest.mark.parametrize("largest_file", [30_000, 60_000, 100_000, 150_000])
def test_a_disk_that_is_full_for_the_journal_leaves_what_the_next_one_puts_in_order(
    scenarios: list[KillScenario], largest_file: int
) -> None:
    bench = scenarios[0]
    bench.reset()
    status = bench.wait(bench.start(largest_file=largest_file))
    assert status == 0 or "nothing was written" in bench.output, bench.output
    assert "Traceback" not in bench.output
    bench.assert_next_install_succeeds(bench.assert_consistent())


def run_in_parallel(trials: Any, scenarios: list[KillScenario]) -> None:
    with ThreadPoolExecutor(PARALLEL_RACKS) as pool:
        list(pool.map(trials, scenarios, range(PARALLEL_RACKS)))
