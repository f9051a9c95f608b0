"""Installs with a DHCP server that does not restart, or restarts slowly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.errors import ConfigurationError, DhcpRestartError
from dhcp_installer.install import installer
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.journal import InstallKind, InstallState
from dhcp_installer.install.progress import ProgressReport, Stage
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from virtual_rack.faults import Fault

INITIAL_CONFIG = "# Debian's file, which declares no subnet\n"
SLOW = "`systemctl restart isc-dhcp-server` did not finish in 660 s"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(INITIAL_CONFIG)
        yield lab


class SubnetServer:
    """A DHCP server that requires a subnet to run, like dhcpd.

    `error` is the reason why no restart succeeds, empty if restarts succeed.
    """

    def __init__(self, config_path: Path) -> None:
        self._config_path = config_path
        self.error = ""
        self.is_writable = True

    def check(self, path: Path) -> None:
        if not self.is_writable:
            raise ConfigurationError(f"{path}: Read-only file system")

    def restart(self) -> None:
        if self.error:
            raise DhcpRestartError(self.error)
        if "subnet " not in self._config_path.read_text():
            raise DhcpRestartError("isc-dhcp-server does not run")
        with (self._config_path.parent / "dhcpd.log").open("a") as log:
            log.write("Server starting service.\n")


@pytest.fixture
def server(lab: InstallFixture) -> SubnetServer:
    return SubnetServer(lab.config_path)


@pytest.fixture
def dependencies(lab: InstallFixture, server: SubnetServer) -> InstallDependencies:
    renderer = DhcpdRenderer(lab.rack, lab.config_path)
    return lab.dependencies(configuration=DhcpConfigFile(lab.config_path, renderer, server))


def let_all_rasps_die(lab: InstallFixture) -> None:
    lab.virtual.inject_fault(lab.rack.slots, Fault.DEAD)


def test_failed_first_install_on_a_master_whose_server_did_not_run_is_undone_and_can_be_repeated(
    lab: InstallFixture, dependencies: InstallDependencies
) -> None:
    dependencies.outlets.switch({lab.rack.outlet(2): False})
    let_all_rasps_die(lab)
    record = lab.run(dependencies, on_progress=lambda _: lab.clock.advance(5))
    assert (record.state, record.finished_at is None) == (InstallState.FAILED, False)
    assert record.error.startswith("no rasp was found in any stack")
    assert record.error.endswith(
        f"; {lab.config_path} is restored, but the DHCP server does not run with it:"
        " isc-dhcp-server does not run"
    )
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.power == [True, False]
    assert dependencies.journal.list_interrupted() == []
    lab.virtual.clear_fault(lab.rack.slots)
    assert lab.run(dependencies).state is InstallState.DONE
    assert lab.known_rasps == lab.rasps


def test_install_ends_as_failed_if_the_server_never_restarts_in_time(
    lab: InstallFixture, dependencies: InstallDependencies, server: SubnetServer
) -> None:
    server.error = SLOW
    record = lab.run(dependencies)
    assert (record.state, record.finished_at is None) == (InstallState.FAILED, False)
    assert f"{lab.config_path} is restored, but the DHCP server does not run" in record.error
    assert lab.config_path.read_text() == INITIAL_CONFIG
    server.error = ""
    assert lab.run(dependencies).state is InstallState.DONE


def create_interrupted_install(lab: InstallFixture, dependencies: InstallDependencies) -> int:
    journal, configuration = dependencies.journal, dependencies.configuration
    install_id = journal.create(InstallKind.INSTALL, "cut", "alice", lab.config_path)
    journal.record_config_write(install_id, lab.config_path.read_text())
    configuration.activate(configuration.render([], lease_seconds=60))
    dependencies.outlets.switch({lab.rack.outlet(1): False}, installing=True)
    journal.mark_interrupted()
    return install_id


def test_recovery_ends_an_interrupted_install_although_the_server_does_not_restart(
    lab: InstallFixture, dependencies: InstallDependencies, server: SubnetServer
) -> None:
    install_id = create_interrupted_install(lab, dependencies)
    server.error = SLOW
    record = installer.recover(dependencies, install_id, lambda _: None)
    assert (record.state, record.finished_at is None) == (InstallState.FAILED, False)
    assert SLOW in record.error
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.power == [True, True]


def test_next_install_recovers_an_interrupted_one_although_the_server_did_not_run_before(
    lab: InstallFixture, dependencies: InstallDependencies
) -> None:
    install_id = create_interrupted_install(lab, dependencies)
    assert lab.run(dependencies).state is InstallState.DONE
    assert dependencies.journal.get(install_id).finished_at is not None
    assert lab.known_rasps == lab.rasps


def test_changes_that_cannot_be_undone_keep_the_install_interrupted_until_a_recovery(
    lab: InstallFixture, dependencies: InstallDependencies, server: SubnetServer
) -> None:
    def on_progress(report: ProgressReport) -> None:
        lab.clock.advance(5)
        if report.stage is Stage.DISCOVER and server.is_writable:
            # The operator edits the file, so that PiRack has to render and check a new one.
            lab.config_path.write_text(f"# edited\n{lab.config_path.read_text()}")
            server.is_writable = False

    let_all_rasps_die(lab)
    record = lab.run(dependencies, on_progress=on_progress)
    assert (record.state, record.finished_at) == (InstallState.INTERRUPTED, None)
    assert "its changes are not undone yet: " in record.error
    server.is_writable = True
    recovered = installer.recover(dependencies, record.id, lambda _: None)
    assert recovered.state is InstallState.STOPPED
    assert lab.power == [True, True]
