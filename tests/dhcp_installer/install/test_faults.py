"""What goes wrong around an install, and what becomes of it then."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from dhcp_installer.dhcpd.log_sources import LogFile, ProcessLog
from dhcp_installer.install.journal import InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressReport, Stage
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture

BY_HAND = "# ours\n"
LAPTOP_MAC = "3c:52:82:00:00:01"
SPOOFED_MAC = "b8:27:eb:99:99:99"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(BY_HAND)
        yield lab


def run_install(lab: InstallFixture, *, during_discovery: Callable[[], object]) -> InstallRecord:
    """Install, and do something when the discovery has begun."""
    begun: list[ProgressReport] = []

    def watch(report: ProgressReport) -> None:
        if report.stage is Stage.DISCOVER and report.message and not begun:
            begun.append(report)
            during_discovery()

    return lab.run(on_progress=watch)


def append_to_log(lab: InstallFixture, *lines: str) -> None:
    with lab.log_path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def assert_all_found(lab: InstallFixture, record: InstallRecord) -> None:
    assert (record.state, record.error) == (InstallState.DONE, "")
    assert lab.known_rasps == lab.rasps
    assert (record.report.missing, record.report.unplaced) == ({}, ())


def test_a_laptop_that_asks_for_an_address_is_told_of_and_gets_none_of_ours(
    lab: InstallFixture,
) -> None:
    address = f"{lab.network}.255.250"
    entry = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPDISCOVER from {LAPTOP_MAC} via lo",
            f"DHCPOFFER on {address} to {LAPTOP_MAC} (laptop) via lo",
            f"DHCPREQUEST for {address} from {LAPTOP_MAC} (laptop) via lo",
            f"DHCPACK on {address} to {LAPTOP_MAC} (laptop) via lo",
        ),
    )
    assert_all_found(lab, entry)
    assert entry.report.other_vendor_macs == (LAPTOP_MAC,)
    assert f"{LAPTOP_MAC} is no Raspberry Pi's: it gets no slot" in lab.messages
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
def test_a_hostile_host_name_puts_nobody_into_the_rack(lab: InstallFixture, name: str) -> None:
    address = f"{lab.network}.255.250"
    entry = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPREQUEST for {address} from {LAPTOP_MAC} ({name}) via lo",
            f"DHCPACK on {address} to {LAPTOP_MAC} ({name}) via lo",
        ),
    )
    assert_all_found(lab, entry)
    assert entry.report.rasps_found == 4
    assert SPOOFED_MAC not in lab.config_path.read_text()


def test_a_pi_that_declines_an_address_is_found_with_the_next(lab: InstallFixture) -> None:
    rasp = lab.rasps[0]
    other = f"{lab.network}.255.251"
    entry = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPACK on {other} to {rasp.mac} (pi) via lo",
            f"DHCPDECLINE of {other} from {rasp.mac} via lo: abandoned",
        ),
    )
    assert_all_found(lab, entry)


def test_a_lease_from_another_network_is_no_address_here(lab: InstallFixture) -> None:
    rasp = lab.rasps[0]
    entry = run_install(
        lab,
        during_discovery=lambda: append_to_log(
            lab,
            f"DHCPREQUEST for 10.0.0.5 from {rasp.mac} via lo: wrong network.",
            f"DHCPNAK on 10.0.0.5 to {rasp.mac} via lo",
        ),
    )
    assert_all_found(lab, entry)


def test_a_log_that_is_rotated_meanwhile_is_followed(lab: InstallFixture) -> None:
    entry = run_install(
        lab, during_discovery=lambda: lab.log_path.rename(lab.log_path.with_name("dhcpd.log.1"))
    )
    assert_all_found(lab, entry)


def test_a_log_that_is_truncated_meanwhile_is_followed(lab: InstallFixture) -> None:
    entry = run_install(lab, during_discovery=lambda: os.truncate(lab.log_path, 0))
    assert_all_found(lab, entry)


def test_a_log_that_cannot_be_read_is_named_and_no_relay_moves(lab: InstallFixture) -> None:
    moves = lab.virtual.stack_power()
    nowhere = lab.folder / "no" / "dhcpd.log"
    entry = lab.run(lab.dependencies(log=partial(LogFile, nowhere)))
    assert entry.state is InstallState.FAILED
    assert f"{nowhere}: No such file" in entry.error
    assert lab.config_path.read_text() == BY_HAND
    assert lab.virtual.stack_power() == moves


def test_a_log_in_which_nothing_comes_is_told_and_no_relay_moves(lab: InstallFixture) -> None:
    """So the journal is for a user outside of the group systemd-journal."""
    moves = lab.virtual.stack_power()
    silent = lab.folder / "silent.log"
    silent.touch()
    entry = lab.run(lab.dependencies(log=partial(LogFile, silent), log_seconds=0.5))
    assert entry.state is InstallState.FAILED
    assert "its log said nothing in 0.5 s" in entry.error
    assert "systemd-journal" in entry.error
    assert lab.config_path.read_text() == BY_HAND
    assert lab.virtual.stack_power() == moves


def test_a_log_that_ends_in_the_middle_ends_the_install_and_leaves_all_as_it_was(
    lab: InstallFixture,
) -> None:
    """As where journalctl is killed."""
    lab.relays.off(2)
    argv = ["timeout", "0.6", "tail", "--lines=0", "-F", str(lab.log_path)]
    entry = lab.run(lab.dependencies(log=partial(ProcessLog, argv)))
    assert entry.state is InstallState.FAILED
    assert "timeout ended" in entry.error
    assert lab.config_path.read_text() == BY_HAND
    assert lab.power == [True, False]
