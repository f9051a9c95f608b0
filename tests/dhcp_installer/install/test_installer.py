"""Installs of a loopback rack."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.errors import ConfigurationError, DhcpRestartError
from dhcp_installer.install.installer import InstallRequest, preview
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressReport, Stage
from rack.inventory import Rasp
from tests.dhcp_installer.install_fixture import (
    BOOT_TIMEOUT,
    InstallFixture,
    running_fixture,
)
from tests.helpers.stack_relays import StackRelays
from virtual_rack.faults import Fault

INITIAL_CONFIG = '# ours\noption domain-name "lab";\n'


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(INITIAL_CONFIG)
        yield lab


@pytest.mark.parametrize("strategy", ["cut", "one-by-one"])
def test_install_finds_and_configures_every_rasp(lab: InstallFixture, strategy: str) -> None:
    record = lab.run(request=InstallRequest(InstallKind.INSTALL, "alice", strategy))
    assert (record.state, record.error) == (InstallState.DONE, ""), record
    assert lab.known_rasps == lab.rasps
    assert lab.config_path.read_text().startswith(INITIAL_CONFIG)
    for rasp in lab.rasps:
        host = f"hardware ethernet {rasp.mac}; fixed-address {rasp.address};"
        assert host in lab.config_path.read_text()
    assert "max-lease-time 3600" in lab.config_path.read_text()
    assert lab.power == [True, True]
    assert record.actor == "alice"
    assert [step.text for step in record.steps] == lab.messages
    assert "found 4 rasps in 2 stacks" in lab.messages
    assert "4 of 4 rasps reply at their addresses" in lab.messages


def test_reports_contain_stage_stacks_rasps_and_time_left(lab: InstallFixture) -> None:
    lab.run()
    stages = list(dict.fromkeys(report.stage for report in lab.reports))
    assert stages == [
        Stage.CHECK, Stage.LEASES, Stage.DISCOVER, Stage.CONFIGURE, Stage.RENEW, Stage.VERIFY,
        Stage.FINISH,
    ]  # fmt: skip
    discovery = [report for report in lab.reports if report.stage is Stage.DISCOVER]
    assert {report.stacks_done for report in discovery} == {0, 1, 2}
    assert discovery[-1].rasps_found == discovery[-1].rasps_total == 4
    seconds_left = [report.seconds_left for report in discovery if report.seconds_left is not None]
    assert seconds_left[0] > seconds_left[-1] == 0
    assert discovery[-1].found == {
        1: ("b8:27:eb:23:01:01", "b8:27:eb:23:01:02"),
        2: ("b8:27:eb:23:02:01", "b8:27:eb:23:02:02"),
    }
    assert "+host rasp-01-1" in lab.reports[-1].diff
    assert "domain-name" not in lab.reports[-1].diff  # unmanaged lines may contain keys


def test_rasps_are_synced_before_each_cut(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    lab.run()
    addresses = {str(rasp.address) for rasp in lab.rasps}
    assert set(lab.synced[:4]) == addresses  # before all stacks are cut
    assert set(lab.synced[4:8]) == addresses  # before each stack is cut


def run_with_dead_rasps(lab: InstallFixture) -> InstallRecord:
    """Run an install. Skip the time that it waits for dead rasps to boot."""
    living_count = sum(Fault.DEAD not in faults for _, faults in lab.virtual.status().values())

    def on_progress(report: ProgressReport) -> None:
        waits = report.stage is Stage.DISCOVER and report.stacks_done == 0 and all(lab.power)
        if waits and report.rasps_found == living_count:
            lab.clock.advance(BOOT_TIMEOUT)

    return lab.run(on_progress=on_progress)


def test_dead_rasp_is_reported_missing_and_keeps_its_slot(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    lab.inject_fault(2, 1, Fault.DEAD)
    record = run_with_dead_rasps(lab)
    assert record.state is InstallState.DONE
    assert record.report.missing == {2: 1}
    assert record.outcome == "done, 1 missing"
    assert "stack 2: rasps not found: 1" in lab.messages
    assert lab.known_rasps == lab.rasps


def test_install_without_any_rasp_fails_and_changes_nothing(lab: InstallFixture) -> None:
    for stack in (1, 2):
        for slot in (1, 2):
            lab.inject_fault(stack, slot, Fault.DEAD)
    record = run_with_dead_rasps(lab)
    assert record.state is InstallState.FAILED
    assert "no rasp was found in any stack" in record.error
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.known_rasps == []


def test_preview_returns_the_diff_and_switches_no_relay(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    power_changes = lab.virtual.stack_power()
    diff = preview(lab.dependencies())
    assert "+host rasp-02-2 { hardware ethernet b8:27:eb:23:02:02;" in diff
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.virtual.stack_power() == power_changes
    assert sorted(path.name for path in lab.config_path.parent.iterdir()) == [
        "dhcpd.conf",
        "dhcpd.log",
    ]


@pytest.mark.parametrize("stage", [Stage.LEASES, Stage.DISCOVER])
def test_stop_before_the_assignment_restores_power_and_configuration(
    lab: InstallFixture, stage: Stage
) -> None:
    lab.relays.off(2)
    stop = threading.Event()

    def on_progress(report: ProgressReport) -> None:
        if report.stage is stage and report.message:
            stop.set()

    record = lab.run(on_progress=on_progress, stop=stop)
    assert (record.state, record.error) == (InstallState.STOPPED, "")
    assert lab.power == [True, False]
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.known_rasps == []
    assert record.finished_at is not None


def test_each_unmanaged_byte_survives_an_install_and_a_rollback(lab: InstallFixture) -> None:
    content = b"# Ger\xe4te im B\xfcro\r\n# \x85\n"
    lab.config_path.write_bytes(content)
    stop = threading.Event()

    def stop_during_discovery(report: ProgressReport) -> None:
        if report.stage is Stage.DISCOVER:
            stop.set()

    assert lab.run(on_progress=stop_during_discovery, stop=stop).state is InstallState.STOPPED
    assert lab.config_path.read_bytes() == content
    assert lab.run().state is InstallState.DONE
    assert lab.config_path.read_bytes().startswith(content + b"# >>> PiRack ")


def test_stop_after_the_assignment_preserves_it_and_restores_the_power(lab: InstallFixture) -> None:
    lab.relays.off(2)
    stop = threading.Event()

    def on_progress(report: ProgressReport) -> None:
        if report.stage is Stage.RENEW:
            stop.set()

    assert lab.run(on_progress=on_progress, stop=stop).state is InstallState.STOPPED
    assert lab.known_rasps == lab.rasps
    assert "rasp-02-2" in lab.config_path.read_text()
    assert lab.power == [True, False]


class RejectingServer:
    """A DHCP server that rejects hosts, at the check or at the restart."""

    def __init__(self, config_path: Path, *, on_restart: bool) -> None:
        self._config_path = config_path
        self._on_restart = on_restart

    def check(self, path: Path) -> None:
        if not self._on_restart and "host " in path.read_text():
            raise ConfigurationError("dhcpd rejected the new configuration")

    def restart(self) -> None:
        if self._on_restart and "host " in self._config_path.read_text():
            raise DhcpRestartError("dhcpd does not run")
        # Like a server that has just started.
        with (self._config_path.parent / "dhcpd.log").open("a") as log:
            log.write("Server starting service.\n")


@pytest.mark.parametrize("on_restart", [False, True])
def test_install_that_the_server_rejects_is_undone(lab: InstallFixture, on_restart: bool) -> None:
    lab.relays.off(2)
    server = RejectingServer(lab.config_path, on_restart=on_restart)
    renderer = DhcpdRenderer(lab.rack, lab.config_path)
    record = lab.run(
        lab.dependencies(configuration=DhcpConfigFile(lab.config_path, renderer, server))
    )
    assert record.state is InstallState.FAILED
    assert ("does not run" if on_restart else "rejected") in record.error
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.known_rasps == []
    assert lab.power == [True, False]
    assert record.assignment is None


def test_conflicting_host_entry_fails_the_install_without_switching_relays(
    lab: InstallFixture,
) -> None:
    rasp = lab.rasps[0]
    lab.inventory.replace(lab.rasps)
    config = f"host ours {{ hardware ethernet {rasp.mac}; fixed-address 10.9.9.9; }}\n"
    lab.config_path.write_text(config)
    power_changes = lab.virtual.stack_power()
    record = lab.run()
    assert record.state is InstallState.FAILED
    assert f"{lab.config_path} line 1" in record.error
    assert rasp.mac in record.error
    assert lab.config_path.read_text() == config
    assert lab.virtual.stack_power() == power_changes


def test_failing_relays_fail_the_install_without_changes(
    lab: InstallFixture,
) -> None:
    def fail() -> NoReturn:
        raise OSError("no such chip")

    relays = StackRelays(lab.rack, lab.database, factory=fail)
    assert "no such chip" in relays.error
    record = lab.run(lab.dependencies(outlets=relays.outlets))
    assert (record.state, record.error) == (InstallState.FAILED, relays.error)
    assert lab.config_path.read_text() == INITIAL_CONFIG


def test_second_install_preserves_swapped_slots(lab: InstallFixture) -> None:
    swapped = [
        Rasp(2, 3 - rasp.slot, rasp.mac, lab.rack.stack(2).slots[2 - rasp.slot].address)
        if rasp.stack == 2
        else rasp
        for rasp in lab.rasps
    ]
    lab.inventory.replace(swapped)
    lab.run()
    assert {(rasp.mac, rasp.slot) for rasp in lab.known_rasps} == {
        (rasp.mac, rasp.slot) for rasp in swapped
    }
