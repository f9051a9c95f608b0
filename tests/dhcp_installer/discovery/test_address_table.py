"""Addresses of clients from log lines."""

from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_events import parse_line
from dhcp_installer.discovery.address_table import AddressTable

MAC, OTHER_MAC = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"
ADDRESS, OTHER_ADDRESS = IPv4Address("10.23.255.1"), IPv4Address("10.23.1.1")


def table_after(*lines: str) -> AddressTable:
    table = AddressTable()
    for line in lines:
        event = parse_line(line, 0.0)
        assert event is not None, line
        table.add_log_event(event)
    return table


def test_client_gets_its_leased_address() -> None:
    table = table_after(f"DHCPACK on {ADDRESS} to {MAC} (pi) via br0")
    assert table.mac_by_address == {ADDRESS: MAC}


def test_offer_assigns_an_address() -> None:
    table = table_after(f"DHCPOFFER on {ADDRESS} to {MAC} via br0")
    assert table.mac_by_address == {ADDRESS: MAC}


def test_client_can_hold_several_addresses() -> None:
    table = table_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0", f"DHCPACK on {OTHER_ADDRESS} to {MAC} via br0"
    )
    assert table.mac_by_address == {ADDRESS: MAC, OTHER_ADDRESS: MAC}
    assert table.addresses_of({MAC}) == [ADDRESS, OTHER_ADDRESS]
    assert table.addresses_of({OTHER_MAC}) == []


def test_address_belongs_to_its_last_client() -> None:
    table = table_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0", f"DHCPACK on {ADDRESS} to {OTHER_MAC} via br0"
    )
    assert table.mac_by_address == {ADDRESS: OTHER_MAC}


def test_declined_address_is_removed() -> None:
    table = table_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0",
        f"DHCPDECLINE of {ADDRESS} from {MAC} via br0: abandoned",
        f"DHCPACK on {OTHER_ADDRESS} to {MAC} via br0",
    )
    assert table.mac_by_address == {OTHER_ADDRESS: MAC}


def test_rejected_lease_of_another_network_is_not_added() -> None:
    foreign = IPv4Address("10.0.0.5")
    table = table_after(
        f"DHCPREQUEST for {foreign} from {MAC} via br0: wrong network.",
        f"DHCPNAK on {foreign} to {MAC} via br0",
        f"DHCPACK on {ADDRESS} to {MAC} via br0",
    )
    assert table.mac_by_address == {ADDRESS: MAC}


def test_client_that_loses_its_last_address_is_removed() -> None:
    table = table_after(
        f"DHCPACK on {ADDRESS} to {MAC} via br0", f"DHCPNAK on {ADDRESS} to {MAC} via br0"
    )
    assert table.mac_by_address == {}
