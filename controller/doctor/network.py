"""Check the addresses of the master."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, ip_address

import psutil

from controller.doctor.finding import Finding, FindingSeverity
from rack.settings import Network

NAME = "addresses"

_REASON = "rasps cannot reach the master, and Prometheus cannot reach the rasps"


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An IPv4 address of an interface. `is_up`: enabled, and connected to another device."""

    name: str
    interface: IPv4Interface
    is_up: bool

    @property
    def address(self) -> IPv4Address:
        """The address without its network."""
        return self.interface.ip


def read_addresses() -> list[InterfaceAddress]:
    """Return the IPv4 addresses of this machine."""
    is_up = {name: status.isup for name, status in psutil.net_if_stats().items()}
    return [
        InterfaceAddress(
            name,
            IPv4Interface(f"{address.address}/{address.netmask or 32}"),
            is_up.get(name, False),
        )
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
    ]


def check_addresses(
    interfaces: Sequence[InterfaceAddress], network: Network, listen_host: str
) -> list[Finding]:
    """Return what is wrong with the addresses of this machine.

    Args:
        interfaces: Addresses of this machine.
        network: Network of the rack.
        listen_host: Host of the option --listen.
    """
    master = network.master
    own = next((each for each in interfaces if _has_address(each, master)), None)
    if own is None:
        findings = [_error(f"no interface has the address {master} of the master", _set(network))]
    else:
        findings = _check_interface(own, interfaces, network)
    return [*findings, *_check_listen(interfaces, listen_host)]


def _check_interface(
    own: InterfaceAddress, interfaces: Sequence[InterfaceAddress], network: Network
) -> list[Finding]:
    """Return what is wrong with the interface of the rack. A virtual rack can be on loopback."""
    if own.address.is_loopback:
        return []
    subnet, findings = network.subnet, []
    if not own.is_up:
        findings.append(
            _error(
                f"{own.name} with the address {own.address} is down or has no link",
                f"connect the cable of {own.name}, or run `sudo ip link set {own.name} up`",
            )
        )
    if own.interface.network != subnet:
        findings.append(
            _error(
                f"{own.name} has the network {own.interface.network}, but rack.toml has the subnet"
                f" {subnet}",
                f"give {own.name} the prefix length {subnet.prefixlen}: {_modify(network)}",
            )
        )
    return findings + [
        _error(
            f"{other.name} has the address {other.interface}, which overlaps the network of the"
            f" rack at {own.name}",
            f"use another network at {other.name}, or another network.subnet in rack.toml",
        )
        for other in interfaces
        if other.name != own.name and other.interface.network.overlaps(subnet)
    ]


def _has_address(each: InterfaceAddress, address: IPv4Address) -> bool:
    """Return whether an interface has an address. A loopback interface has its whole network."""
    is_loopback = each.address.is_loopback and address in each.interface.network
    return is_loopback or each.address == address


def _check_listen(interfaces: Sequence[InterfaceAddress], host: str) -> list[Finding]:
    address = ip_address(host)
    if address.version != 4 or address.is_unspecified or address.is_loopback:  # noqa: PLR2004
        return []
    if any(each.address == address for each in interfaces):
        return []
    return [
        _error(
            f"the controller listens on {host}, which is no address of this machine",
            "correct LISTEN in /etc/pirack/controller.env, then run"
            " `sudo systemctl restart pirack-controller`",
        )
    ]


def _set(network: Network) -> str:
    return (
        "connect the interface of the rack, for example eth0: `sudo nmcli connection add type"
        " ethernet ifname eth0 con-name rack ipv4.method manual ipv4.addresses"
        f" {network.master}/{network.subnet.prefixlen}`"
    )


def _modify(network: Network) -> str:
    return (
        f"`sudo nmcli connection modify rack ipv4.addresses {network.master}/"
        f"{network.subnet.prefixlen}`, then `sudo nmcli connection up rack`"
    )


def _error(problem: str, fix: str) -> Finding:
    return Finding(NAME, FindingSeverity.ERROR, problem, _REASON, fix)
