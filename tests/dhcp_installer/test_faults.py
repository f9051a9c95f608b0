"""What goes wrong around an install, and what becomes of it then."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from dhcp_installer.journal import Entry, InstallState
from dhcp_installer.log_sources import LogFile, ProgramLog
from dhcp_installer.progress import Report, Stage
from tests.dhcp_installer.lab import Lab, a_lab

BY_HAND = "# ours\n"
LAPTOP = "3c:52:82:00:00:01"
FAKED = "b8:27:eb:99:99:99"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with a_lab(tmp_path) as lab:
        lab.conf.write_text(BY_HAND)
        yield lab


def install(lab: Lab, *, meanwhile: Callable[[], object]) -> Entry:
    """Install, and do something when the discovery has begun."""
    begun: list[Report] = []

    def watch(report: Report) -> None:
        if report.stage is Stage.DISCOVER and report.said and not begun:
            begun.append(report)
            meanwhile()

    return lab.run(watch=watch)


def log(lab: Lab, *lines: str) -> None:
    with lab.log.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def assert_all_was_found(lab: Lab, entry: Entry) -> None:
    assert (entry.state, entry.trouble) == (InstallState.DONE, "")
    assert lab.known == lab.rasps
    assert (entry.report.missing, entry.report.unplaced) == ({}, ())


def test_a_laptop_that_asks_for_an_address_is_told_of_and_gets_none_of_ours(lab: Lab) -> None:
    address = f"{lab.network}.255.250"
    entry = install(
        lab,
        meanwhile=lambda: log(
            lab,
            f"DHCPDISCOVER from {LAPTOP} via lo",
            f"DHCPOFFER on {address} to {LAPTOP} (laptop) via lo",
            f"DHCPREQUEST for {address} from {LAPTOP} (laptop) via lo",
            f"DHCPACK on {address} to {LAPTOP} (laptop) via lo",
        ),
    )
    assert_all_was_found(lab, entry)
    assert entry.report.strangers == (LAPTOP,)
    assert f"{LAPTOP} is no Raspberry Pi's: it gets no slot" in lab.said
    assert LAPTOP not in lab.conf.read_text()


@pytest.mark.parametrize(
    "name",
    [
        f"x) via lo (DHCPACK on 127.1.1.1 to {FAKED}",
        f"(evil) via eth9 (x) via br0\nDHCPACK on 127.1.1.1 to {FAKED} via lo: no",
        f"{FAKED} " * 50,
    ],
    ids=["brackets", "newline", "1000 characters"],
)
def test_a_hostile_host_name_puts_nobody_into_the_rack(lab: Lab, name: str) -> None:
    address = f"{lab.network}.255.250"
    entry = install(
        lab,
        meanwhile=lambda: log(
            lab,
            f"DHCPREQUEST for {address} from {LAPTOP} ({name}) via lo",
            f"DHCPACK on {address} to {LAPTOP} ({name}) via lo",
        ),
    )
    assert_all_was_found(lab, entry)
    assert entry.report.rasps_found == 4
    assert FAKED not in lab.conf.read_text()


def test_a_pi_that_declines_an_address_is_found_with_the_next(lab: Lab) -> None:
    rasp = lab.rasps[0]
    other = f"{lab.network}.255.251"
    entry = install(
        lab,
        meanwhile=lambda: log(
            lab,
            f"DHCPACK on {other} to {rasp.mac} (pi) via lo",
            f"DHCPDECLINE of {other} from {rasp.mac} via lo: abandoned",
        ),
    )
    assert_all_was_found(lab, entry)


def test_a_lease_from_another_network_is_no_address_here(lab: Lab) -> None:
    rasp = lab.rasps[0]
    entry = install(
        lab,
        meanwhile=lambda: log(
            lab,
            f"DHCPREQUEST for 10.0.0.5 from {rasp.mac} via lo: wrong network.",
            f"DHCPNAK on 10.0.0.5 to {rasp.mac} via lo",
        ),
    )
    assert_all_was_found(lab, entry)


def test_a_log_that_is_rotated_meanwhile_is_followed(lab: Lab) -> None:
    entry = install(lab, meanwhile=lambda: lab.log.rename(lab.log.with_name("dhcpd.log.1")))
    assert_all_was_found(lab, entry)


def test_a_log_that_is_truncated_meanwhile_is_followed(lab: Lab) -> None:
    entry = install(lab, meanwhile=lambda: os.truncate(lab.log, 0))
    assert_all_was_found(lab, entry)


def test_a_log_that_cannot_be_read_is_named_and_no_relay_moves(lab: Lab) -> None:
    moves = lab.virtual.power()
    nowhere = lab.folder / "no" / "dhcpd.log"
    entry = lab.run(lab.world(log=partial(LogFile, nowhere)))
    assert entry.state is InstallState.FAILED
    assert f"{nowhere}: No such file" in entry.trouble
    assert lab.conf.read_text() == BY_HAND
    assert lab.virtual.power() == moves


def test_a_log_in_which_nothing_comes_is_told_and_no_relay_moves(lab: Lab) -> None:
    """So the journal is for a user outside of the group systemd-journal."""
    moves = lab.virtual.power()
    silent = lab.folder / "silent.log"
    silent.touch()
    entry = lab.run(lab.world(log=partial(LogFile, silent), log_seconds=0.5))
    assert entry.state is InstallState.FAILED
    assert "its log said nothing in 0.5 s" in entry.trouble
    assert "systemd-journal" in entry.trouble
    assert lab.conf.read_text() == BY_HAND
    assert lab.virtual.power() == moves


def test_a_log_that_ends_in_the_middle_ends_the_install_and_leaves_all_as_it_was(
    lab: Lab,
) -> None:
    """As where journalctl is killed."""
    lab.relays.off(2)
    argv = ["timeout", "0.6", "tail", "--lines=0", "-F", str(lab.log)]
    entry = lab.run(lab.world(log=partial(ProgramLog, argv)))
    assert entry.state is InstallState.FAILED
    assert "timeout ended" in entry.trouble
    assert lab.conf.read_text() == BY_HAND
    assert lab.power == [True, False]
