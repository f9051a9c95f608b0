"""Checks of the DHCP server, with the real dhcpd where its log matters."""

import json
import subprocess
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from controller.doctor.dhcp import (
    check_interface,
    check_other_servers,
    check_server,
    read_log,
    server_identifiers,
    unit_of,
)
from controller.doctor.finding import NotCheckedError
from controller.doctor.network import InterfaceAddress
from tests.helpers.private_network import run_with_dhcpd
from tests.helpers.waiting import TIMEOUT_SECONDS

MASTER = IPv4Address("10.23.0.1")
ETH0 = InterfaceAddress("eth0", IPv4Interface("10.23.0.1/16"), is_up=True)
WLAN0 = InterfaceAddress("wlan0", IPv4Interface("192.168.1.7/24"), is_up=True)


def write_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.process
def test_stopped_server_is_found_until_it_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    state = tmp_path / "state"
    write_program(
        tmp_path,
        "systemctl",
        f"case $1 in show) echo LoadState=loaded; cat {state};;"
        f" restart) echo ActiveState=active > {state};; esac",
    )
    state.write_text("ActiveState=failed\n")
    [finding] = check_server("isc-dhcp-server")
    assert finding.problem == "the unit isc-dhcp-server is failed"
    assert finding.fix.startswith("`sudo systemctl restart isc-dhcp-server`")
    subprocess.run(["systemctl", "restart", "isc-dhcp-server"], check=True, timeout=TIMEOUT_SECONDS)
    assert check_server("isc-dhcp-server") == []
    write_program(tmp_path, "systemctl", "echo LoadState=not-found; echo ActiveState=inactive")
    [finding] = check_server("isc-dhcp-server")
    assert finding.problem == "the unit isc-dhcp-server does not exist"
    write_program(tmp_path, "systemctl", "echo Failed to connect to bus; exit 1")
    with pytest.raises(NotCheckedError, match="Failed to connect to bus"):
        check_server("isc-dhcp-server")


def test_server_of_a_container_is_not_checked() -> None:
    with pytest.raises(NotCheckedError, match="no unit of this machine"):
        unit_of("auto-reload")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (None, "INTERFACESv4 is empty: dhcpd chooses its interfaces itself"),
        ('INTERFACESv4=""\nINTERFACESv6=""\n', "INTERFACESv4 is empty"),
        ('INTERFACESv4="wlan0"\n', "dhcpd serves wlan0, but the network of the rack is at eth0"),
        ("INTERFACESv4='eth0 wlan0'", "dhcpd serves wlan0 besides eth0"),
    ],
)
def test_wrong_interface_is_found_until_the_file_is_corrected(
    settings: str | None, problem: str
) -> None:
    [finding] = check_interface(settings, [ETH0, WLAN0], MASTER)
    assert problem in finding.problem
    assert finding.fix.startswith('set INTERFACESv4="eth0" in /etc/default/isc-dhcp-server')
    assert "`sudo systemctl restart isc-dhcp-server`" in finding.fix
    assert check_interface('INTERFACESv4="eth0"', [ETH0, WLAN0], MASTER) == []


def test_interface_is_not_checked_without_address_or_with_an_invalid_file() -> None:
    with pytest.raises(NotCheckedError, match="no interface has the address"):
        check_interface('INTERFACESv4="eth0"', [WLAN0], MASTER)
    with pytest.raises(NotCheckedError, match="isc-dhcp-server is invalid"):
        check_interface('INTERFACESv4="eth0', [ETH0], MASTER)


@pytest.mark.process
def test_other_server_in_the_log_of_the_real_dhcpd_is_found_until_it_is_disconnected(
    tmp_path: Path,
) -> None:
    with_other, without_other = run_with_dhcpd("tests.controller.doctor.choosing_clients")
    log = tmp_path / "dhcpd.log"
    log.write_text("\n".join(with_other))
    [finding] = check_other_servers(read_log(f"file:{log}"), {MASTER})
    assert finding.problem == (
        "another DHCP server, 192.168.7.1, is on the network of the rack: b8:27:eb:00:00:01,"
        " b8:27:eb:00:00:02 chose it"
    )
    assert finding.fix.startswith("disconnect 192.168.7.1 from the network of the rack")
    log.write_text("\n".join([*with_other, *without_other]))
    assert check_other_servers(read_log(f"file:{log}"), {MASTER}) == []


def test_own_server_identifier_is_no_other_server() -> None:
    own = server_identifiers("# server-identifier 1.2.3.4;\n  server-identifier 10.23.0.9;\n")
    assert own == {IPv4Address("10.23.0.9")}
    line = "DHCPREQUEST for 10.23.1.1 (10.23.0.9) from b8:27:eb:00:00:01 via eth0"
    assert check_other_servers([line], own) == []


@pytest.mark.process
def test_journal_that_cannot_be_read_is_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    write_program(tmp_path, "journalctl", "echo No journal files were opened; exit 1")
    with pytest.raises(NotCheckedError, match="No journal files were opened"):
        read_log("journal:isc-dhcp-server")
    write_program(tmp_path, "journalctl", "exit 1")  # no line matches
    assert read_log("journal:isc-dhcp-server") == []
    with pytest.raises(NotCheckedError, match="No such file or directory"):
        read_log(f"file:{tmp_path}/none")


@pytest.mark.process
def test_journal_is_read_from_its_oldest_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    request = "DHCPREQUEST for 10.23.1.1 ({}) from b8:27:eb:00:00:01 via eth0: unknown lease"
    newest_first = [request.format(server) for server in ("10.23.0.1", "192.168.7.1")]
    entries = "\n".join(json.dumps({"MESSAGE": line}) for line in newest_first)
    write_program(
        tmp_path, "journalctl", f"case $* in *--reverse*) cat <<'E'\n{entries}\nE\n;; esac"
    )
    lines = read_log("journal:isc-dhcp-server")
    assert lines == newest_first[::-1]
    assert check_other_servers(lines, {MASTER}) == []
