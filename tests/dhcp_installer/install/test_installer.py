"""An install of a loopback rack, from the first check to the last ping."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.errors import ConfigurationError, DhcpServerError
from dhcp_installer.install.installer import InstallRequest, preview
from dhcp_installer.install.journal import InstallKind, InstallState
from dhcp_installer.install.progress import ProgressReport, Stage
from rack.inventory import Rasp
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from virtual_rack.faults import Fault

BY_HAND = '# ours\noption domain-name "lab";\n'


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(BY_HAND)
        yield lab


@pytest.mark.parametrize("strategy", ["cut", "one-by-one"])
def test_every_rasp_is_found_written_and_seen_at_its_address(
    lab: InstallFixture, strategy: str
) -> None:
    entry = lab.run(request=InstallRequest(InstallKind.INSTALL, "alice", strategy))
    assert (entry.state, entry.error) == (InstallState.DONE, ""), entry
    assert lab.known_rasps == lab.rasps
    assert lab.config_path.read_text().startswith(BY_HAND)
    for rasp in lab.rasps:
        host = f"hardware ethernet {rasp.mac}; fixed-address {rasp.address};"
        assert host in lab.config_path.read_text()
    assert "max-lease-time 3600" in lab.config_path.read_text()
    assert lab.power == [True, True]
    assert entry.actor == "alice"
    assert [step.text for step in entry.steps] == lab.messages
    assert "4 rasps were found in 2 stacks" in lab.messages
    assert "4 of 4 rasps answer at their addresses" in lab.messages


def test_each_stage_is_told_with_stacks_rasps_and_time_left(lab: InstallFixture) -> None:
    lab.run()
    stages = list(dict.fromkeys(report.stage for report in lab.reports))
    assert stages == [
        Stage.CHECK, Stage.LEASES, Stage.DISCOVER, Stage.CONFIGURE, Stage.MOVE, Stage.VERIFY,
        Stage.FINISH,
    ]  # fmt: skip
    looking = [report for report in lab.reports if report.stage is Stage.DISCOVER]
    assert {report.stacks_done for report in looking} == {0, 1, 2}
    assert looking[-1].rasps_found == looking[-1].rasps_total == 4
    left = [report.seconds_left for report in looking if report.seconds_left is not None]
    assert left[0] > left[-1] == 0
    assert looking[-1].found == {
        1: ("b8:27:eb:23:01:01", "b8:27:eb:23:01:02"),
        2: ("b8:27:eb:23:02:01", "b8:27:eb:23:02:02"),
    }
    assert "+host rasp-01-1" in lab.reports[-1].diff
    assert "domain-name" not in lab.reports[-1].diff  # people's lines may hold keys


def test_rasps_are_asked_to_write_their_disks_before_each_cut(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    lab.run()
    everybody = {str(rasp.address) for rasp in lab.rasps}
    assert set(lab.synced[:4]) == everybody  # before all are cut
    assert set(lab.synced[4:8]) == everybody  # before one after the other is


def test_a_dead_rasp_is_missed_by_stack_and_keeps_its_slot(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    lab.inject_fault(2, 1, Fault.DEAD)
    entry = lab.run()
    assert entry.state is InstallState.DONE
    assert entry.report.missing == {2: 1}
    assert "stack 2: 1 of its rasps were not found" in lab.messages
    assert lab.known_rasps == lab.rasps


def test_a_rack_that_says_nothing_is_left_as_it_was(lab: InstallFixture) -> None:
    for stack in (1, 2):
        for slot in (1, 2):
            lab.inject_fault(stack, slot, Fault.DEAD)
    entry = lab.run()
    assert entry.state is InstallState.FAILED
    assert "no rasp was found in any stack" in entry.error
    assert lab.config_path.read_text() == BY_HAND
    assert lab.known_rasps == []


def test_a_dry_run_shows_the_diff_and_moves_no_relay(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    moves = lab.virtual.stack_power()
    diff = preview(lab.dependencies())
    assert "+host rasp-02-2 { hardware ethernet b8:27:eb:23:02:02;" in diff
    assert lab.config_path.read_text() == BY_HAND
    assert lab.virtual.stack_power() == moves
    assert sorted(path.name for path in lab.config_path.parent.iterdir()) == [
        "dhcpd.conf",
        "dhcpd.log",
    ]


@pytest.mark.parametrize("stage", [Stage.LEASES, Stage.DISCOVER])
def test_a_stop_before_the_decision_gives_power_and_configuration_back(
    lab: InstallFixture, stage: Stage
) -> None:
    lab.relays.off(2)
    stop = threading.Event()

    def watch(report: ProgressReport) -> None:
        if report.stage is stage and report.message:
            stop.set()

    entry = lab.run(on_progress=watch, stop=stop)
    assert (entry.state, entry.error) == (InstallState.STOPPED, "")
    assert lab.power == [True, False]
    assert lab.config_path.read_text() == BY_HAND
    assert lab.known_rasps == []
    assert entry.finished_at is not None


def test_a_stop_after_the_decision_keeps_it_and_gives_the_power_back(lab: InstallFixture) -> None:
    lab.relays.off(2)
    stop = threading.Event()

    def watch(report: ProgressReport) -> None:
        if report.stage is Stage.MOVE:
            stop.set()

    assert lab.run(on_progress=watch, stop=stop).state is InstallState.STOPPED
    assert lab.known_rasps == lab.rasps
    assert "rasp-02-2" in lab.config_path.read_text()
    assert lab.power == [True, False]


class RejectingServer:
    """A DHCP server that takes no configuration with hosts in it, or does not come up with one."""

    def __init__(self, config_path: Path, *, on_restart: bool) -> None:
        self._config_path = config_path
        self._on_restart = on_restart

    def check(self, path: Path) -> None:
        if not self._on_restart and "host " in path.read_text():
            raise ConfigurationError("dhcpd refuses the new configuration")

    def restart(self) -> None:
        if self._on_restart and "host " in self._config_path.read_text():
            raise DhcpServerError("dhcpd does not run")
        # As the log of a server that has just started.
        with (self._config_path.parent / "dhcpd.log").open("a") as log:
            log.write("Server starting service.\n")


@pytest.mark.parametrize("at_start", [False, True])
def test_a_server_that_takes_not_what_was_found_leaves_all_as_it_was(
    lab: InstallFixture, at_start: bool
) -> None:
    lab.relays.off(2)
    server = RejectingServer(lab.config_path, on_restart=at_start)
    renderer = DhcpdRenderer(lab.rack, lab.config_path)
    entry = lab.run(
        lab.dependencies(configuration=DhcpConfigFile(lab.config_path, renderer, server))
    )
    assert entry.state is InstallState.FAILED
    assert ("does not run" if at_start else "refuses") in entry.error
    assert lab.config_path.read_text() == BY_HAND
    assert lab.known_rasps == []
    assert lab.power == [True, False]
    assert entry.assignment is None


def test_an_entry_by_hand_that_is_in_the_way_is_named_before_any_relay_moves(
    lab: InstallFixture,
) -> None:
    rasp = lab.rasps[0]
    lab.inventory.replace(lab.rasps)
    by_hand = f"host ours {{ hardware ethernet {rasp.mac}; fixed-address 10.9.9.9; }}\n"
    lab.config_path.write_text(by_hand)
    moves = lab.virtual.stack_power()
    entry = lab.run()
    assert entry.state is InstallState.FAILED
    assert f"{lab.config_path} line 1" in entry.error
    assert rasp.mac in entry.error
    assert lab.config_path.read_text() == by_hand
    assert lab.virtual.stack_power() == moves


def test_relays_that_cannot_be_driven_end_it_at_once(lab: InstallFixture, tmp_path: Path) -> None:
    relays = lab.relays
    relays.error = "the relays cannot be driven: no such chip"
    entry = lab.run(lab.dependencies(relays=relays))
    assert (entry.state, entry.error) == (InstallState.FAILED, relays.error)
    assert lab.config_path.read_text() == BY_HAND


def test_a_second_install_keeps_every_rasp_where_people_have_put_it(lab: InstallFixture) -> None:
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
