"""The check of the addresses of the master."""

from ipaddress import IPv4Interface

import pytest

from controller.doctor.network import InterfaceAddress, check_addresses, read_addresses
from tests.controller.fakes import LOOPBACK_RACK, RACK

LOOPBACK = InterfaceAddress("lo", IPv4Interface("127.0.0.1/8"), is_up=True)
RIGHT = InterfaceAddress("eth0", IPv4Interface("10.23.0.1/16"), is_up=True)
UPLINK = InterfaceAddress("eth1", IPv4Interface("192.168.1.7/24"), is_up=True)


def test_addresses_of_the_guide_have_no_finding() -> None:
    assert check_addresses([LOOPBACK, RIGHT, UPLINK], RACK.network, "127.0.0.1") == []
    assert check_addresses([LOOPBACK, RIGHT, UPLINK], RACK.network, "10.23.0.1") == []
    assert check_addresses([LOOPBACK], LOOPBACK_RACK.network, "127.0.0.1") == []  # a demo


@pytest.mark.parametrize(
    ("interfaces", "problem", "fix"),
    [
        (
            [LOOPBACK, UPLINK],
            "no interface has the address 10.23.0.1 of the master",
            "ipv4.method manual ipv4.addresses 10.23.0.1/16`",
        ),
        (
            [InterfaceAddress("eth0", RIGHT.interface, is_up=False)],
            "eth0 with the address 10.23.0.1 is down or has no link",
            "`sudo ip link set eth0 up`",
        ),
        (
            [InterfaceAddress("eth0", IPv4Interface("10.23.0.1/24"), is_up=True)],
            "eth0 has the network 10.23.0.0/24, but rack.toml has the subnet 10.23.0.0/16",
            "`sudo nmcli connection modify rack ipv4.addresses 10.23.0.1/16`",
        ),
        (
            [RIGHT, InterfaceAddress("wlan0", IPv4Interface("10.23.9.4/24"), is_up=True)],
            "wlan0 has the address 10.23.9.4/24, which overlaps the network of the rack at eth0",
            "use another network at wlan0",
        ),
    ],
)
def test_wrong_address_is_found_with_the_command_that_corrects_it(
    interfaces: list[InterfaceAddress], problem: str, fix: str
) -> None:
    [finding] = check_addresses(interfaces, RACK.network, "127.0.0.1")
    assert finding.problem == problem
    assert fix in finding.fix


def test_listen_address_of_no_interface_is_found() -> None:
    [finding] = check_addresses([RIGHT], RACK.network, "10.23.0.2")
    assert finding.problem == (
        "the controller listens on 10.23.0.2, which is no address of this machine"
    )
    assert "LISTEN in /etc/pirack/controller.env" in finding.fix


def test_addresses_of_this_machine_contain_loopback() -> None:
    [loopback] = [each for each in read_addresses() if str(each.address) == "127.0.0.1"]
    assert loopback.is_up
    assert loopback.interface.network.prefixlen == 8
