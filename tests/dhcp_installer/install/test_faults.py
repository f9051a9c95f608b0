"""Installs with foreign DHCP clients, hostile host names and failing logs."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dhcp_installer.dhcpd.log_sources import LogFile, ProcessLog
from dhcp_installer.install.installer import InstallRequest
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressReport, Stage
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture

INITIAL_CONFIG = "# ours\n"
LAPTOP_MAC = "3c:52:82:00:00:01"
SPOOFED_MAC = "b8:27:eb:99:99:99"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(INITIAL_CONFIG)
        yield lab


def run_install(lab: InstallFixture, *, during_discovery: Callable[[], object]) -> InstallRecord:
    """Run an install and call a function when the discovery has started."""
    is_called = False

    def on_progress(report: ProgressReport) -> None:
        nonlocal is_called
        if report.stage is Stage.DISCOVER and report.message and not is_called:
            is_called = True
            during_discovery()

    return lab.run(on_progress=on_progress)


def append_to_log(lab: InstallFixture, *lines: str) -> None:
    with lab.log_path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def assert_all_found(lab: InstallFixture, record: InstallRecord) -> None:
    assert (record.state, record.error) == (InstallState.DONE, "")
    assert lab.known_rasps == lab.rasps
    assert (record.report.missing, record.report.unplaced) == ({}, ())


def test_laptop_is_reported_and_gets_no_slot(
    lab: InstallFixture,
) -> None:
    address = f"{lab.network}.255.250"
    record = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPDISCOVER from {LAPTOP_MAC} via lo",
            f"DHCPOFFER on {address} to {LAPTOP_MAC} (laptop) via lo",
            f"DHCPREQUEST for {address} from {LAPTOP_MAC} (laptop) via lo",
            f"DHCPACK on {address} to {LAPTOP_MAC} (laptop) via lo",
        ),
    )
    assert_all_found(lab, record)
    assert record.report.other_vendor_macs == (LAPTOP_MAC,)
    assert f"{LAPTOP_MAC} gets no slot: it is not a Raspberry Pi" in lab.messages
    assert LAPTOP_MAC not in lab.config_path.read_text()


@pytest.mark.parametrize(
    "name",
    [
        f"x) via lo (DHCPACK on 127.1.1.1 to {SPOOFED_MAC}",
        f"(evil) via eth9 (x) via br0\nDHCPACK on 127.1.1.1 to {SPOOFED_MAC} via lo: no",
        f"{SPOOFED_MAC} " * 50,
    ],
    ids=["brackets", "newline", "1000 characters"],
)
def test_hostile_host_name_adds_no_rasp(lab: InstallFixture, name: str) -> None:
    address = f"{lab.network}.255.250"
    record = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPREQUEST for {address} from {LAPTOP_MAC} ({name}) via lo",
            f"DHCPACK on {address} to {LAPTOP_MAC} ({name}) via lo",
        ),
    )
    assert_all_found(lab, record)
    assert record.report.rasps_found == 4
    assert SPOOFED_MAC not in lab.config_path.read_text()


def test_rasp_that_declines_an_address_is_found(lab: InstallFixture) -> None:
    rasp = lab.rasps[0]
    other = f"{lab.network}.255.251"
    record = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPACK on {other} to {rasp.mac} (pi) via lo",
            f"DHCPDECLINE of {other} from {rasp.mac} via lo: abandoned",
        ),
    )
    assert_all_found(lab, record)


def test_rasp_with_a_lease_from_another_network_is_found(lab: InstallFixture) -> None:
    rasp = lab.rasps[0]
    record = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPREQUEST for 10.0.0.5 from {rasp.mac} via lo: wrong network.",
            f"DHCPNAK on 10.0.0.5 to {rasp.mac} via lo",
        ),
    )
    assert_all_found(lab, record)


def test_install_continues_after_log_rotation(lab: InstallFixture) -> None:
    record = run_install(
        lab, during_discovery=lambda: lab.log_path.rename(lab.log_path.with_name("dhcpd.log.1"))
    )
    assert_all_found(lab, record)


def test_install_continues_after_log_truncation(lab: InstallFixture) -> None:
    record = run_install(lab, during_discovery=lambda: os.truncate(lab.log_path, 0))
    assert_all_found(lab, record)


def test_unreadable_log_fails_the_install_without_switching_relays(lab: InstallFixture) -> None:
    power_changes = lab.virtual.stack_power()
    missing = lab.folder / "no" / "dhcpd.log"
    record = lab.run(lab.dependencies(open_log=partial(LogFile, missing)))
    assert record.state is InstallState.FAILED
    assert f"{missing}: No such file" in record.error
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.virtual.stack_power() == power_changes


@contextmanager
def reformatted_log(lab: InstallFixture, line_format: str) -> Iterator[Path]:
    """Yield a log to which each new line of the rack's log is copied in another format."""
    path = lab.folder / "reformatted.log"
    path.touch()
    closed = threading.Event()

    def copy_lines() -> None:
        with LogFile(lab.log_path) as log, path.open("a", encoding="utf-8") as file:
            while not closed.is_set():
                for line in log.read(0.05):
                    file.write(line_format.format(line) + "\n")
                    file.flush()

    thread = threading.Thread(target=copy_lines, name="reformatted_log")
    thread.start()
    try:
        yield path
    finally:
        closed.set()
        thread.join()


@pytest.mark.parametrize(
    "line_format",
    [
        "<30>1 2026-11-28T06:42:44.123456+01:00 master dhcpd 812 - - {}",
        "Nov 28 06:42:44.123 master daemon.info dhcpd[812]: {}",
    ],
    ids=["RFC 5424", "BusyBox"],
)
def test_install_reads_a_log_in_a_syslog_format(lab: InstallFixture, line_format: str) -> None:
    with reformatted_log(lab, line_format) as path:
        record = lab.run(lab.dependencies(open_log=partial(LogFile, path)))
    assert_all_found(lab, record)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line_format",
    [
        '{{"program": "dhcpd", "message": "{}"}}',
        "Nov 28 06:42:44 master sh[812]: {}",
        "Nov 28 06:42:44 master dhcpd[812]: message repeated 2 times: [ {}]",
    ],
    ids=["JSON", "another program", "repetitions only"],
)
@pytest.mark.parametrize("kind", [InstallKind.INSTALL, InstallKind.REPLACE])
def test_log_without_a_readable_start_fails_the_install_without_switching_relays(
    lab: InstallFixture, line_format: str, kind: InstallKind
) -> None:
    lab.relays.off(2)
    power_changes = lab.virtual.stack_power()
    request = InstallRequest(kind, "tester")
    if kind is InstallKind.REPLACE:
        request = replace(request, slot_to_replace=lab.rack.stack(2).slots[0])
    with reformatted_log(lab, line_format) as path:
        dependencies = lab.dependencies(open_log=partial(LogFile, path), log_start_timeout=2.0)
        record = lab.run(dependencies, request)
    assert record.state is InstallState.FAILED
    assert record.error.startswith(
        f"{path} does not show the start of the DHCP server 2 s after a restart"
    )
    if "repeated" not in line_format:
        first_line = line_format.format("Internet Systems Consortium DHCP Server 4.4.3-P1")
        assert f"PiRack does not read the format of these lines: {first_line!r}, " in record.error
    assert record.error.count("\n") == 0
    assert "--dhcp-log" in record.error
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.virtual.stack_power() == power_changes


def test_log_without_lines_fails_the_install_without_switching_relays(lab: InstallFixture) -> None:
    """The journal has no lines for a user outside of the group systemd-journal."""
    power_changes = lab.virtual.stack_power()
    empty = lab.folder / "empty.log"
    empty.touch()
    record = lab.run(lab.dependencies(open_log=partial(LogFile, empty), log_start_timeout=0.5))
    assert record.state is InstallState.FAILED
    assert record.error == (
        f"{empty} does not show the start of the DHCP server 0.5 s after a restart: check"
        " --dhcp-log, and that this user can read the log (for journald: group systemd-journal)"
    )
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.virtual.stack_power() == power_changes


@pytest.mark.process
def test_log_that_ends_fails_the_install_and_all_changes_are_undone(
    lab: InstallFixture,
) -> None:
    """A log ends, for example, if journalctl is killed."""
    lab.relays.off(2)
    log = ProcessLog(["tail", "--lines=+1", "-F", str(lab.log_path)])

    def on_progress(report: ProgressReport) -> None:
        if report.stage is Stage.DISCOVER and not any(lab.power):
            os.kill(log.pid, signal.SIGTERM)

    record = lab.run(lab.dependencies(open_log=lambda: log), on_progress=on_progress)
    assert record.state is InstallState.FAILED
    assert "tail ended" in record.error
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.power == [True, False]
