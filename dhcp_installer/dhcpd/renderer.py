"""dhcpd.conf as PiRack wants it: a marked block of ours, and all else as people wrote it.

Nothing of theirs is ever lost: what stands outside of the marks is kept to the letter, and where it
cannot stand beside ours, or somebody has written inside of the marks, the file is refused by line.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from dhcp_installer.dhcpd import checks, parser
from dhcp_installer.dhcpd.checks import Resolve, resolve_host_name
from dhcp_installer.errors import ConfigurationError
from rack.inventory import Rasp
from rack.layout import Rack

INSTALL_LEASE_SECONDS = 60
"""Seconds of a lease during an install: at its half a rasp asks again, and gets its new address."""

LEASE_SECONDS = 3600
"""Seconds of a lease in service."""

_POOL_ADDRESSES_PER_SLOT = (
    2  # addresses: clients of one MAC may say other client-ids, and hold two leases
)

_BEGIN_MARKER = "# >>> PiRack {sum}"
_END_MARKER = "# <<< PiRack"
_BEGIN_PATTERN = re.compile(r"^# >>> PiRack ([0-9a-f]{16})$", re.MULTILINE)
_END_PATTERN = re.compile(r"^# <<< PiRack$", re.MULTILINE)


class Renderer(Protocol):
    """Writes the configuration of a kind of DHCP server."""

    def render(self, rasps: Iterable[Rasp], existing: str, *, lease_seconds: int) -> str:
        """Return the configuration's text, in which each of the rasps has its address.

        Args:
            rasps: who is where.
            existing: the text in force, whose foreign parts are kept.
            lease_seconds: for how long an address is given.

        Raises:
            ConfigurationError: it cannot be had; the text names each reason.
        """

    def unmanaged(self, text: str) -> str:
        """Return what of a configuration is not PiRack's own.

        Raises:
            ConfigurationError: nobody can tell.
        """


class DhcpdRenderer:
    """Renders ISC dhcpd's configuration.

    Args:
        rack: the layout.
        path: where the file is, for errors and for what it includes.
        resolve: returns a host name's addresses.
    """

    def __init__(self, rack: Rack, path: Path, *, resolve: Resolve = resolve_host_name) -> None:
        self._rack = rack
        self._path = path
        self._resolve = resolve

    def render(self, rasps: Iterable[Rasp], existing: str, *, lease_seconds: int) -> str:
        """Return the file's text; see `Renderer`."""
        before, after = _split_managed_block(existing, self._path)
        # Their lines keep their numbers, so that what is said of them can be found.
        gap = "\n" * (existing.count("\n") - before.count("\n") - after.count("\n"))
        theirs = parser.parse(before + gap + after, self._path)
        block = self._render_block(
            rasps, checks.fixed_addresses(theirs, self._resolve), lease_seconds
        )
        ours = parser.parse(block, Path("PiRack's block"))
        found = checks.problems([*theirs, *ours], self._rack.network.master, resolve=self._resolve)
        if found:
            raise ConfigurationError("; ".join(found))
        separator = "\n" if before and not before.endswith("\n") else ""
        digest = _digest(block)
        return (
            f"{before}{separator}{_BEGIN_MARKER.format(sum=digest)}\n{block}{_END_MARKER}\n{after}"
        )

    def unmanaged(self, text: str) -> str:
        """Return what stands outside of PiRack's block; see `Renderer`."""
        return "".join(_split_managed_block(text, self._path))

    def _render_block(
        self, rasps: Iterable[Rasp], fixed: Collection[IPv4Address], lease_seconds: int
    ) -> str:
        slots = {(slot.stack, slot.number): slot for slot in self._rack.slots}
        template = Environment(
            loader=PackageLoader("dhcp_installer"),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - no HTML; MACs, addresses and names are our own types
            keep_trailing_newline=True,
        ).get_template("dhcpd.conf.j2")
        return template.render(
            subnet=self._rack.network.subnet,
            lease_seconds=lease_seconds,
            pool=pool_ranges(self._rack, fixed),
            hosts=[(slots[rasp.stack, rasp.slot], rasp.mac) for rasp in rasps],
        )


def pool_ranges(
    rack: Rack, fixed: Collection[IPv4Address] = ()
) -> Sequence[tuple[IPv4Address, IPv4Address]]:
    """Return the ranges of addresses for all who have no fixed one: two for each slot.

    They are the highest of the subnet that no slot, nor the master, nor one of `fixed` has.

    Raises:
        ConfigurationError: the subnet has not so many.
    """
    subnet = rack.network.subnet
    taken = {int(slot.address) for slot in rack.slots} | {
        int(rack.network.master),
        *map(int, fixed),
    }
    low, high = int(subnet.network_address), int(subnet.broadcast_address)
    wanted = _POOL_ADDRESSES_PER_SLOT * len(rack.slots)
    left = wanted
    ranges = []
    last = high - 1
    for bound in [*sorted((each for each in taken if low < each < high), reverse=True), low]:
        if left and bound < last:
            first = max(bound + 1, last - left + 1)
            ranges.append((IPv4Address(first), IPv4Address(last)))
            left -= last - first + 1
        last = bound - 1
    if left:
        raise ConfigurationError(
            f"{subnet} has {wanted - left} free addresses for rasps without a place, and {wanted}"
            " are needed: widen network.subnet in rack.toml"
        )
    return sorted(ranges)


def _split_managed_block(text: str, path: Path) -> tuple[str, str]:
    """Return what stands before our block, and after it."""
    begins, ends = list(_BEGIN_PATTERN.finditer(text)), list(_END_PATTERN.finditer(text))
    if not begins and not ends:
        return text, ""
    if len(begins) != 1 or len(ends) != 1 or ends[0].start() < begins[0].end():
        raise ConfigurationError(
            f"{path}: there are {len(begins)} marks `# >>> PiRack` and {len(ends)} `# <<< PiRack`:"
            " make it one pair, or take them out with all that is between them"
        )
    (begin,), (end,) = begins, ends
    if _digest(text[begin.end() + 1 : end.start()]) != begin[1]:
        line = text.count("\n", 0, begin.start()) + 1
        raise ConfigurationError(
            f"{path} line {line}: somebody has changed PiRack's block: move your lines out of it,"
            " and take the rest of it out with its marks; it will be written anew"
        )
    return text[: begin.start()], text[end.end() + 1 :]


def _digest(block: str) -> str:
    return sha256(block.encode()).hexdigest()[:16]
