"""Racks on which installers are killed with `kill -9`, and checks of what they left.

Each installer is a process. Several racks are tested in parallel, because an install mostly waits.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dhcp_installer.dhcpd.renderer import INSTALL_LEASE_SECONDS, LEASE_SECONDS
from dhcp_installer.install import recovery
from dhcp_installer.install.journal import InstallRecord, InstallState
from rack.layout import GPIO
from rack.power import commanded_power
from rack.power.outlets import Outlets
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from tests.helpers.poe_layouts import PATIENT, poe_stacks, poe_table
from tests.helpers.waiting import TIMEOUT_SECONDS
from virtual_rack.loopback import PING_PORT

UNMANAGED_CONFIG = '# ours\noption domain-name "lab";\n'


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


class KillScenario:
    """A rack on which installs are killed, one after the other.

    The rasps in the first two slots are known, but swapped. An install moves them only if their
    slots have outlets of their own. The last outlet is off.
    """

    def __init__(self, lab: InstallFixture, fork_server: ForkServer) -> None:
        self.lab = lab
        self._fork_server = fork_server
        actual = lab.rasps
        self.previous_rasps = [
            replace(rasp, mac=other.mac)
            for rasp, other in zip(actual[:2], actual[1::-1], strict=True)
        ]
        self.expected_rasps = [*self.previous_rasps, *actual[2:]]
        if lab.rack.stacks[0].has_outlet_per_slot:
            self.expected_rasps = actual
        configuration = lab.dependencies().configuration
        lab.config_path.write_text(UNMANAGED_CONFIG)
        self.previous_config = configuration.render(self.previous_rasps)
        self._short_lease_config = configuration.render(
            self.previous_rasps, lease_seconds=INSTALL_LEASE_SECONDS
        )
        self.expected_config = configuration.render(self.expected_rasps)
        assert f"max-lease-time {LEASE_SECONDS}" in self.expected_config
        self._initial_power = {outlet.name: True for outlet in lab.rack.outlets}
        self._initial_power[lab.rack.outlets[-1].name] = False

    @property
    def power(self) -> Mapping[str, bool]:
        """Power of each outlet."""
        return {name: is_on for name, (is_on, _) in self.lab.virtual.outlet_power().items()}

    def reset(self) -> None:
        self.lab.inventory.replace(self.previous_rasps)
        self.lab.config_path.write_text(self.previous_config)
        outlets = self.lab.rack.outlets
        self.lab.outlets.switch({outlet: self._initial_power[outlet.name] for outlet in outlets})

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
        pid: int = self._fork_server.request(argv=argv, env=environment, out=out, **options)["pid"]
        return pid

    def wait(self, pid: int) -> int:
        status: int = self._fork_server.request(wait=pid)["status"]
        return status

    @property
    def output(self) -> str:
        return (self.lab.folder / "out").read_text()

    @property
    def count(self) -> int:
        """Number of changes or calls in the last install."""
        return int(self.output.splitlines()[-1])

    def assert_consistent(self) -> InstallRecord | None:
        """Check the state after a kill and return the interrupted install, if any."""
        assert self.lab.config_path.read_text() in {
            self.previous_config,
            self._short_lease_config,
            self.expected_config,
        }
        assert self.lab.known_rasps in (self.previous_rasps, self.expected_rasps)
        self._assert_start_changes_no_outlet()
        journal = self.lab.dependencies().journal
        journal.mark_interrupted()
        interrupted = journal.list_interrupted()
        assert len(interrupted) <= 1
        for record in interrupted:
            self._assert_report_is_correct(record)
        return interrupted[0] if interrupted else None

    def _assert_start_changes_no_outlet(self) -> None:
        self._refresh(self.lab.outlets)  # the devices execute the requests of the install first
        power = self.lab.virtual.outlet_power()
        outlets = self.lab.outlets
        assert outlets.source_errors == {}
        self._refresh(outlets)
        assert self.lab.virtual.outlet_power() == power
        rack = self.lab.rack
        assert {each.name: outlets.has_power(each) for each in rack.outlets} == self.power
        commanded = commanded_power.load_all(self.lab.database, rack)
        assert {outlet: power.is_on for outlet, power in outlets.all_commanded().items()} == {
            outlet: power.is_on for outlet, power in commanded.items()
        }

    def _refresh(self, outlets: Outlets) -> None:
        for source in self.lab.rack.power_sources.keys() - {GPIO}:
            readings = outlets.refresh(source)
            assert {reading.error for reading in readings.values()} == {""}

    def _assert_report_is_correct(self, record: InstallRecord) -> None:
        """Check that no rasp is shown in a wrong stack or slot."""
        places = {rasp.mac: rasp for rasp in self.lab.rasps}
        report = record.report
        for stack, macs in report.found.items():
            assert {places[mac].stack for mac in macs} == {stack}
        assert {mac: places[mac].slot for mac in report.slots} == report.slots
        assert report.slots.keys() == report.slot_evidence.keys()

    def assert_next_install_succeeds(self, interrupted: InstallRecord | None) -> None:
        assert self.wait(self.start()) == 0, self.output
        assert self.lab.config_path.read_text() == self.expected_config
        assert self.lab.known_rasps == self.expected_rasps
        assert all(self.power.values())
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
            assert self.power == self._initial_power
        elif interrupted:  # it may have been in its last step, with all outlets on
            assert self.power in (self._initial_power, dict.fromkeys(self._initial_power, True))


@contextmanager
def relay_scenarios(count: int) -> Iterator[list[KillScenario]]:
    """Yield racks with a relay for each of two stacks."""
    with _scenarios([{} for _ in range(count)]) as scenarios:
        yield scenarios


@contextmanager
def outlet_scenarios(count: int) -> Iterator[list[KillScenario]]:
    """Yield racks with three stacks, each with three slots that have a PoE port each."""
    with TemporaryDirectory() as folder:
        options = [
            {
                "stacks": poe_stacks(3, 3),
                "power_tables": f"{poe_table(Path(folder))}{PATIENT}",
                "cut_seconds": 0.5,
            }
            for _ in range(count)
        ]
        with _scenarios(options) as scenarios:
            yield scenarios


@contextmanager
def _scenarios(options: Sequence[Mapping[str, Any]]) -> Iterator[list[KillScenario]]:
    # In memory if possible, because there are thousands of transactions.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        fork_server = ForkServer()
        stack.callback(fork_server.close)
        labs = [
            stack.enter_context(
                running_fixture(Path(stack.enter_context(TemporaryDirectory(dir=memory))), **each)
            )
            for each in options
        ]
        yield [KillScenario(lab, fork_server) for lab in labs]


def run_in_parallel(trials: Any, scenarios: list[KillScenario]) -> None:
    with ThreadPoolExecutor(len(scenarios)) as pool:
        list(pool.map(trials, scenarios, range(len(scenarios))))


@contextmanager
def annotate_failures(trial: object) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{trial}: {error}") from error
