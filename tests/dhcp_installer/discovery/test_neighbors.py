"""Neighbor table of the kernel."""

from ipaddress import IPv4Address

from dhcp_installer.discovery.neighbors import parse_neighbors, read_neighbors

TABLE = """\
IP address       HW type     Flags       HW address            Mask     Device
10.23.1.1        0x1         0x2         b8:27:eb:00:00:01     *        br0
10.23.1.2        0x1         0x0         00:00:00:00:00:00     *        br0
10.23.1.3        0x1         0x6         b8:27:eb:00:00:03     *        br0
10.23.1.4        0x1         0x2         b8:27:eb:00:00:04     *        br0
10.23.1.4        0x1         0x2         b8:27:eb:00:00:05     *        eth1
"""


def test_table_contains_resolved_addresses_with_one_mac_address() -> None:
    assert parse_neighbors(TABLE) == {
        IPv4Address("10.23.1.1"): "b8:27:eb:00:00:01",
        IPv4Address("10.23.1.3"): "b8:27:eb:00:00:03",  # a permanent entry
    }


def test_table_of_the_kernel_is_readable() -> None:
    assert all(len(mac) == 17 for mac in read_neighbors().values())
