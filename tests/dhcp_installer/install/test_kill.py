"""Consistency and recovery after `kill -9` at any moment of an install.

Each installer is a process. Several racks are tested in parallel, because an install mostly waits.
"""

import json
import os
import signal
import subprocess
import sys
import threading
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
from tests.helpers.waiting import TIMEOUT_SECONDS
from virtual_rack.loopback import PING_PORT

pytestmark = pytest.mark.process

PARALLEL_RACKS = 8
# `make test` runs few trials, and `make verify` all of them.
EVERY_NTH_CHANGE = [
    pytest.param(5, id="few"),
    pytest.param(1, id="all", marks=[pytest.mark.verify, pytest.mark.timeout(1800)]),
]
RANDOM_TRIALS = [
    pytest.param(16, id="few"),
    pytest.param(50, id="many", marks=[pytest.mark.verify, pytest.mark.timeout(1800)]),
]
UNMANAGED_CONFIG = '# ours\noption domain-name "lab";\n'
INITIAL_POWER = [True, False]  # the stacks' power before an install


class ForkServer:
    """Client of a `forked_installer` process."""

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
        self._process.communicate(timeout=TIMEOUT_SECONDS)


@dataclass
class KillScenario:
    """A rack on which installs are killed, one after the other."""

    lab: InstallFixture
    fork_server: ForkServer

    def __post_init__(self) -> None:
        self.actual_rasps = self.lab.rasps
        # The rasps of stack 1 are known, but swapped.
        one, other = self.actual_rasps[:2]
        self.previous_rasps = [
            type(one)(1, 1, other.mac, one.address), type(one)(1, 2, one.mac, other.address)
        ]  # fmt: skip
        configuration = self.lab.dependencies().configuration
        self.lab.config_path.write_text(UNMANAGED_CONFIG)
        self.previous_config = configuration.render(self.previous_rasps)
        self.short_lease_config = configuration.render(
            self.previous_rasps, lease_seconds=INSTALL_LEASE_SECONDS
        )
        self.expected_rasps = [*self.previous_rasps, *self.actual_rasps[2:]]
        self.expected_config = configuration.render(self.expected_rasps)
        assert f"max-lease-time {LEASE_SECONDS}" in self.expected_config

    def reset(self) -> None:
        self.lab.inventory.replace(self.previous_rasps)
        self.lab.config_path.write_text(self.previous_config)
        relays = self.lab.relays
        for stack, is_on in enumerate(INITIAL_POWER, start=1):
            (relays.on if is_on else relays.off)(stack)

    def start(self, **options: Any) -> int:
        """Start an install and return its process id. Options as in `forked_installer`."""
        lab = self.lab
        environment = {
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(lab.state),
        }
        argv = [
            *("--rack", str(lab.layout_path), "--db", str(lab.database.path), "--yes", "--json"),
            *("--dhcpd-conf", str(lab.config_path), "--dhcp-log", f"file:{lab.log_path}"),
            *("--dhcp-server", "auto-reload", "--ping", f"tcp:{PING_PORT}"),
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

    @property
    def counts(self) -> tuple[int, int]:
        """Number of changes and number of calls in the last install."""
        changes, _, calls, _ = self.output.splitlines()[-1].split()
        return int(changes), int(calls)

    def assert_consistent(self) -> InstallRecord | None:
        """Check the state after a kill and return the interrupted install, if any."""
        assert self.lab.config_path.read_text() in {
            self.previous_config,
            self.short_lease_config,
            self.expected_config,
        }
        assert self.lab.known_rasps in (self.previous_rasps, self.expected_rasps)
        power = self.lab.virtual.stack_power()
        relays = self.lab.relays
        assert relays.error == ""
        assert self.lab.virtual.stack_power() == power  # a start moves no relay
        assert self.lab.power == [relays.has_power(stack) for stack in (1, 2)]
        commanded = commanded_power.load_all(self.lab.database)
        assert [relays.is_on(stack) for stack in (1, 2)] == [
            commanded[stack].is_on for stack in (1, 2)
        ]
        journal = self.lab.dependencies().journal
        journal.mark_interrupted()
        interrupted = journal.list_interrupted()
        assert len(interrupted) <= 1
        return interrupted[0] if interrupted else None

    def assert_next_install_succeeds(self, interrupted: InstallRecord | None) -> None:
        assert self.wait(self.start()) == 0, self.output
        assert self.lab.config_path.read_text() == self.expected_config
        assert self.lab.known_rasps == self.expected_rasps
        assert self.lab.power == [True, True]
        journal = self.lab.dependencies().journal
        assert journal.list_interrupted() == []
        if interrupted:
            assert f"install {interrupted.id} was interrupted" in self.output
            recovered = journal.get(interrupted.id)
            assert recovered.state is InstallState.INTERRUPTED
            assert recovered.finished_at is not None

    def assert_recovers(self, interrupted: InstallRecord | None) -> None:
        """Check that the interrupted install is recovered without a new install."""
        recovery.recover_interrupted(self.lab.dependencies(), lambda _: None)
        if interrupted and interrupted.assignment is not None:
            assert self.lab.config_path.read_text() == self.expected_config
            assert self.lab.known_rasps == self.expected_rasps
        elif interrupted:
            assert self.lab.config_path.read_text() == self.previous_config
            assert self.lab.known_rasps == self.previous_rasps
        if interrupted and interrupted.assignment is None:
            assert self.lab.power == INITIAL_POWER
        elif interrupted:  # it may have been in its last step, with all stacks on
            assert self.lab.power in (INITIAL_POWER, [True, True])


@pytest.fixture(scope="module")
def scenarios() -> Iterator[list[KillScenario]]:
    # In memory if possible, because there are thousands of transactions.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        fork_server = ForkServer()
        stack.callback(fork_server.close)
        labs = [
            stack.enter_context(
                running_fixture(Path(stack.enter_context(TemporaryDirectory(dir=memory))))
            )
            for _ in range(PARALLEL_RACKS)
        ]
        yield [KillScenario(lab, fork_server) for lab in labs]


@contextmanager
def annotate_failures(trial: object) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{trial}: {error}") from error


@pytest.mark.parametrize("step", EVERY_NTH_CHANGE)
def test_kill_before_each_change_is_recovered(scenarios: list[KillScenario], step: int) -> None:
    scenarios[0].reset()
    assert scenarios[0].wait(scenarios[0].start()) == 0, scenarios[0].output
    changes, _ = scenarios[0].counts
    assert changes > 40
    rolled_forward: list[bool] = []

    def trials(scenario: KillScenario, first: int) -> None:
        for number in range(step * first + 1, changes + 1, step * PARALLEL_RACKS):
            with annotate_failures(f"killed before change {number} of {changes}"):
                scenario.reset()
                status = scenario.wait(scenario.start(kill_at_change=number))
                assert status in {-signal.SIGKILL, 0}, scenario.output  # 0: it had fewer changes
                record = scenario.assert_consistent()
                if number % 4:
                    scenario.assert_recovers(record)
                else:
                    scenario.assert_next_install_succeeds(record)
                if record:
                    rolled_forward.append(record.assignment is not None)

    run_in_parallel(trials, scenarios)
    assert rolled_forward.count(False) > 20 / step
    assert rolled_forward.count(True) > 5 / step


@pytest.mark.parametrize("count", RANDOM_TRIALS)
def test_kill_before_a_random_call_is_recovered(scenarios: list[KillScenario], count: int) -> None:
    scenarios[0].reset()
    assert scenarios[0].wait(scenarios[0].start()) == 0
    _, calls = scenarios[0].counts
    assert calls > 400
    was_interrupted: list[bool] = []

    def trials(scenario: KillScenario, first: int) -> None:
        for seed in range(first, count, PARALLEL_RACKS):
            number = Random(seed).randint(1, calls)
            with annotate_failures(f"trial {seed}, killed before call {number} of {calls}"):
                scenario.reset()
                status = scenario.wait(scenario.start(kill_at_call=number))
                assert status in {-signal.SIGKILL, 0}, scenario.output  # 0: it had fewer calls
                record = scenario.assert_consistent()
                was_interrupted.append(record is not None)
                if seed % 2:
                    scenario.assert_next_install_succeeds(record)
                else:
                    scenario.assert_recovers(record)

    run_in_parallel(trials, scenarios)
    assert len(was_interrupted) == count
    assert sum(was_interrupted) > count / 2


def test_full_disk_for_dhcpd_conf_changes_nothing(scenarios: list[KillScenario]) -> None:
    """A limited file size has the same effect as a full disk."""
    scenario = scenarios[0]
    scenario.reset()
    large = f"{UNMANAGED_CONFIG}{'# a long comment' * 40_000}\n"
    scenario.lab.config_path.write_text(large)
    power_changes = scenario.lab.virtual.stack_power()
    assert scenario.wait(scenario.start(max_file_size=500_000)) == 1
    assert "File too large: nothing was changed" in scenario.output
    assert scenario.lab.config_path.read_text() == large
    assert scenario.lab.known_rasps == scenario.previous_rasps
    assert scenario.lab.virtual.stack_power() == power_changes
    names = [path.name for path in scenario.lab.config_path.parent.iterdir()]
    assert not [name for name in names if "pirack-new" in name]


@pytest.mark.parametrize("max_file_size", [30_000, 60_000, 100_000, 150_000])
def test_full_disk_for_the_journal_is_recovered(
    scenarios: list[KillScenario], max_file_size: int
) -> None:
    scenario = scenarios[0]
    scenario.reset()
    status = scenario.wait(scenario.start(max_file_size=max_file_size))
    assert status == 0 or "nothing was written" in scenario.output, scenario.output
    assert "Traceback" not in scenario.output
    scenario.assert_next_install_succeeds(scenario.assert_consistent())


def run_in_parallel(trials: Any, scenarios: list[KillScenario]) -> None:
    with ThreadPoolExecutor(PARALLEL_RACKS) as pool:
        list(pool.map(trials, scenarios, range(PARALLEL_RACKS)))
