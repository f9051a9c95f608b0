"""What `dhcpd -t` lets pass, and a rack would suffer from. Pure but for names, which are resolved.

`dhcpd -t` (4.4.3) finds errors of syntax, and ends with 0 for each of these: an empty file, one MAC
or one address given twice, a MAC of five bytes, a fixed address outside of its subnet or in a
range, a range that runs backwards, a subnet declared twice, an interface without a subnet, and a
host's address given by a name that nobody knows.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from dhcp_installer.dhcpd.parser import Statement

_MAC = re.compile(r"[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}")
_LOOKUP_TIMEOUT = 5.0

Resolve = Callable[[str], Sequence[IPv4Address]]


def resolve_host_name(name: str) -> Sequence[IPv4Address]:
    """Return the addresses of a host name as this machine sees it; none where nobody knows it."""
    try:
        said = subprocess.run(
            ["getent", "ahostsv4", "--", name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LOOKUP_TIMEOUT,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted({IPv4Address(line.split()[0]) for line in said.splitlines() if line.strip()})


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
    statements: Sequence[Statement], master: IPv4Address, *, resolve: Resolve = resolve_host_name
) -> list[str]:
    """Return what is wrong, a line each: where, what, and the mend.

    Args:
        statements: of the whole dhcpd.conf.
        master: the address of the interface that dhcpd serves.
        resolve: returns a host name's addresses.
    """
    if not statements:
        return ["the file says nothing: dhcpd would give no address"]
    everything = [each for statement in statements for each in statement.walk()]
    found: list[str] = []
    subnets = _subnets(everything, found)
    ranges = _ranges(everything, found)
    hosts = list(_hosts(everything, resolve, found))
    found += _duplicates([(host.mac, host.location) for host in hosts if host.mac], "MAC")
    found += _duplicates(
        [(str(address), host.location) for host in hosts for address in host.addresses], "address"
    )
    for host in hosts:
        for address in host.addresses:
            if not any(address in subnet for _, subnet in subnets):
                found.append(f"{host.location}: {address} is in no subnet: choose one that is")
            for each in ranges:
                if each.first <= address <= each.last:
                    found.append(
                        f"{host.location}: {address} is in the range of {each.location}, and may be given"
                        " to anybody: choose one outside of it"
                    )
    if not any(master in subnet for _, subnet in subnets):
        found.append(
            f"no subnet has {master}, the master's address: declare the rack's, or dhcpd will not"
            " serve it"
        )
    return found


def fixed_addresses(
    statements: Sequence[Statement], resolve: Resolve = resolve_host_name
) -> set[IPv4Address]:
    """Return the addresses that host entries have for themselves."""
    everything = [each for statement in statements for each in statement.walk()]
    return {address for host in _hosts(everything, resolve, []) for address in host.addresses}


def _subnets(statements: Sequence[Statement], issues: list[str]) -> list[tuple[str, IPv4Network]]:
    subnets: list[tuple[str, IPv4Network]] = []
    for statement in statements:
        match statement.words:
            case ("subnet", network, "netmask", mask):
                try:
                    subnet = IPv4Network(f"{network}/{mask}")
                except ValueError as error:
                    issues.append(f"{statement.location}: {error}: mend the subnet")
                    continue
                for where, other in subnets:
                    if subnet.overlaps(other):
                        issues.append(
                            f"{statement.location}: subnet {subnet} is declared in {where}, too, as"
                            f" {other}: take one out"
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
                f"{statement.location}: no range of addresses: give its first and its last"
            )
            continue
        if first > last:
            issues.append(
                f"{statement.location}: the range runs backwards, from {first} to {last}: turn it"
                " round"
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
                            f"{inner.location}: {text} is no MAC address of six bytes: write"
                            " b8:27:eb:01:02:03"
                        )
                case ("fixed-address", *words):
                    for word in words:
                        addresses += _addresses(word, inner.location, resolve, issues)
        yield _HostEntry(statement.location, mac, tuple(addresses))


def _addresses(
    text: str, location: str, resolve: Resolve, issues: list[str]
) -> Sequence[IPv4Address]:
    try:
        return [IPv4Address(text)]
    except ValueError:
        addresses = resolve(text)
        if not addresses:
            issues.append(f"{location}: nobody knows the name {text}: write its address")
        return addresses


def _duplicates(values: Sequence[tuple[str, str]], label: str) -> Iterator[str]:
    first: dict[str, str] = {}
    for value, where in values:
        if value in first:
            yield (
                f"{where}: the {label} {value} is in {first[value]}, too: take one of the two out"
            )
        first.setdefault(value, where)
