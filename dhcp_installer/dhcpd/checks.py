"""Checks of dhcpd.conf that `dhcpd -t` does not perform.

`dhcpd -t` (4.4.3) detects syntax errors. It accepts an empty file, a duplicate MAC or IP address, a
MAC address of five bytes, and a fixed address outside its subnet or inside a range. It also accepts
a reversed range, a duplicate subnet, an interface without a subnet, and an unknown host name.
"""

import re
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from dhcp_installer.dhcpd.parser import Statement

_MAC = re.compile(r"[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}")
_LOOKUP_TIMEOUT = 20.0

Resolve = Callable[[str], Sequence[IPv4Address]]


def resolve_host_name(name: str) -> Sequence[IPv4Address]:
    """Resolve a host name on this machine. Return no address if the name is unknown."""
    try:
        output = subprocess.run(
            ["getent", "ahostsv4", "--", name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LOOKUP_TIMEOUT,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted({IPv4Address(line.split()[0]) for line in output.splitlines() if line.strip()})


@dataclass(frozen=True, slots=True)
class _HostEntry:
    location: str
    mac: str
    addresses: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class _Range:
    location: str
    first: IPv4Address
    last: IPv4Address


def problems(
    unmanaged: Sequence[Statement],
    managed: Sequence[Statement],
    master: IPv4Address,
    *,
    resolve: Resolve = resolve_host_name,
) -> list[str]:
    """Return the problems of a configuration, each with its location and a fix.

    Args:
        unmanaged: Statements outside of PiRack's block.
        managed: Statements of PiRack's block.
        master: Address of the interface that dhcpd serves.
        resolve: Returns the addresses of a host name.
    """
    if not unmanaged and not managed:
        return ["the configuration is empty: declare a subnet"]
    all_statements = [nested for statement in (*unmanaged, *managed) for nested in statement.walk()]
    issues: list[str] = []
    subnets = _subnets(all_statements, issues)
    ranges = _ranges(all_statements, issues)
    hosts = list(_hosts(all_statements, resolve, issues))
    rasp_macs = {host.mac for host in _hosts(managed, resolve, [])}
    issues += _duplicate_macs(hosts, rasp_macs, [subnet for _, subnet in subnets])
    issues += _duplicate_addresses(hosts)
    for host in hosts:
        for address in host.addresses:
            if not any(address in subnet for _, subnet in subnets):
                issues.append(
                    f"{host.location}: {address} is in no declared subnet: choose another address"
                )
            issues += [
                f"{host.location}: {address} is in the dynamic range of {pool.location}: choose an"
                " address outside of it"
                for pool in ranges
                if pool.first <= address <= pool.last
            ]
    if not any(master in subnet for _, subnet in subnets):
        issues.append(f"no subnet contains {master}, the address of the master: declare its subnet")
    return issues


def fixed_addresses(
    statements: Sequence[Statement], resolve: Resolve = resolve_host_name
) -> set[IPv4Address]:
    """Return the fixed addresses of all host entries."""
    all_statements = [nested for statement in statements for nested in statement.walk()]
    return {address for host in _hosts(all_statements, resolve, []) for address in host.addresses}


def _subnets(statements: Sequence[Statement], issues: list[str]) -> list[tuple[str, IPv4Network]]:
    subnets: list[tuple[str, IPv4Network]] = []
    for statement in statements:
        match statement.words:
            case ("subnet", network, "netmask", mask):
                try:
                    subnet = IPv4Network(f"{network}/{mask}")
                except ValueError as error:
                    issues.append(f"{statement.location}: {error}: correct the subnet")
                    continue
                for location, other in subnets:
                    if subnet.overlaps(other):
                        issues.append(
                            f"{statement.location}: subnet {subnet} overlaps {other} of {location}:"
                            " remove one"
                        )
                subnets.append((statement.location, subnet))
    return subnets


def _ranges(statements: Sequence[Statement], issues: list[str]) -> list[_Range]:
    ranges = []
    for statement in statements:
        if statement.words[:1] != ("range",):
            continue
        bounds = [word for word in statement.words[1:] if word != "dynamic-bootp"]
        try:
            first, last = IPv4Address(bounds[0]), IPv4Address(bounds[-1])
        except (IndexError, ValueError):
            issues.append(
                f"{statement.location}: not a valid range: write the first and the last address"
            )
            continue
        if first > last:
            issues.append(
                f"{statement.location}: the range {first} to {last} is reversed: exchange them"
            )
        ranges.append(_Range(statement.location, min(first, last), max(first, last)))
    return ranges


def _hosts(
    statements: Sequence[Statement], resolve: Resolve, issues: list[str]
) -> Iterator[_HostEntry]:
    for statement in statements:
        if statement.words[:1] != ("host",):
            continue
        mac = ""
        addresses: list[IPv4Address] = []
        for inner in statement.block:
            match inner.words:
                case ("hardware", "ethernet", text):
                    if _MAC.fullmatch(text):
                        mac = ":".join(f"{int(byte, 16):02x}" for byte in text.split(":"))
                    else:
                        issues.append(
                            f"{inner.location}: {text} is not a MAC address of six bytes: write it"
                            " like b8:27:eb:01:02:03"
                        )
                case ("fixed-address", *texts):
                    for fixed in texts:
                        addresses += _addresses(fixed, inner.location, resolve, issues)
        yield _HostEntry(statement.location, mac, tuple(addresses))


def _addresses(
    text: str, location: str, resolve: Resolve, issues: list[str]
) -> Sequence[IPv4Address]:
    try:
        return [IPv4Address(text)]
    except ValueError:
        addresses = resolve(text)
        if not addresses:
            issues.append(f"{location}: the host name {text} cannot be resolved: write its address")
        return addresses


def _duplicate_macs(
    hosts: Sequence[_HostEntry], rasp_macs: Collection[str], subnets: Sequence[IPv4Network]
) -> Iterator[str]:
    """Yield a problem for each MAC address that is used twice in a subnet or by a rasp.

    dhcpd chooses the entry with an address in the subnet of the client. An entry without an address
    is for the remaining subnets.
    """
    earlier: dict[str, list[tuple[_HostEntry, Set[IPv4Network | None]]]] = {}
    for host in hosts:
        if not host.mac:
            continue
        host_subnets = _subnets_of(host, subnets)
        for other, other_subnets in earlier.get(host.mac, []):
            if host.mac in rasp_macs or host_subnets & other_subnets:
                yield _duplicate("MAC", host.mac, host.location, other.location)
                break
        earlier.setdefault(host.mac, []).append((host, host_subnets))


def _subnets_of(host: _HostEntry, subnets: Sequence[IPv4Network]) -> Set[IPv4Network | None]:
    """Return the subnets with an address of a host entry. None stands for no address."""
    if not host.addresses:
        return {None}
    return {subnet for subnet in subnets for address in host.addresses if address in subnet}


def _duplicate(label: str, value: str, location: str, other: str) -> str:
    return f"{location}: the {label} {value} is already used in {other}: remove one"


def _duplicate_addresses(hosts: Sequence[_HostEntry]) -> Iterator[str]:
    first: dict[IPv4Address, str] = {}
    for host in hosts:
        for address in host.addresses:
            if address in first:
                yield _duplicate("address", str(address), host.location, first[address])
            first.setdefault(address, host.location)
