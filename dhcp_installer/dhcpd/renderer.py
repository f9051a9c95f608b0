"""Renderer of dhcpd.conf with a managed block between two markers.

The rest of the file is unmanaged and never changed. If the rest conflicts with the managed block,
or the managed block was edited, the file is rejected with the line of the problem.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from dhcp_installer.config_text import encode
from dhcp_installer.dhcpd import checks, parser
from dhcp_installer.dhcpd.checks import Resolve, resolve_host_name
from dhcp_installer.errors import ConfigurationError
from rack.inventory import Rasp
from rack.layout import Rack

INSTALL_LEASE_SECONDS = 60
"""Lease time during an install. After half of this time, a rasp requests its new address."""

LEASE_SECONDS = 3600
"""Lease time in normal operation."""

_POOL_ADDRESSES_PER_SLOT = 2  # a MAC address with two client ids holds two leases

_BEGIN_MARKER = "# >>> PiRack {digest}"
_END_MARKER = "# <<< PiRack"
_INDENTATION = "  "  # in the template
# White space that an editor changed is accepted, so that the markers are found.
_BEGIN_PATTERN = re.compile(
    r"^[ \t]*#[ \t]*>>>[ \t]*PiRack[ \t]+([0-9a-f]{16})[ \t]*\r?$", re.MULTILINE
)
_END_PATTERN = re.compile(r"^[ \t]*#[ \t]*<<<[ \t]*PiRack[ \t]*\r?$", re.MULTILINE)


class Renderer(Protocol):
    """A renderer for one kind of DHCP server."""

    def render(self, rasps: Iterable[Rasp], existing: str, *, lease_seconds: int) -> str:
        """Return the configuration with a fixed address for each rasp.

        Args:
            rasps: The rasps with their slots and addresses.
            existing: The active text, whose unmanaged part is preserved.
            lease_seconds: Lease time.

        Raises:
            ConfigurationError: If the result would be invalid. The text lists the problems.
        """

    def unmanaged(self, text: str) -> str:
        """Return the unmanaged part of a configuration.

        Raises:
            ConfigurationError: If the markers are damaged.
        """


class DhcpdRenderer:
    """A renderer for ISC dhcpd.

    Args:
        rack: The layout.
        path: Path of the file, for error messages.
        resolve: Returns the addresses of a host name.
    """

    def __init__(self, rack: Rack, path: Path, *, resolve: Resolve = resolve_host_name) -> None:
        self._rack = rack
        self._path = path
        self._resolve = resolve

    def render(self, rasps: Iterable[Rasp], existing: str, *, lease_seconds: int) -> str:
        """Return the text of the file, see `Renderer.render`."""
        before, after = _split_managed_block(existing, self._path)
        # The gap preserves the line numbers for error messages.
        gap = "\n" * (existing.count("\n") - before.count("\n") - after.count("\n"))
        unmanaged = parser.parse(before + gap + after, self._path)
        block = self._render_block(
            rasps, checks.fixed_addresses(unmanaged, self._resolve), lease_seconds
        )
        managed = parser.parse(block, Path("PiRack's block"))
        problems = checks.problems(
            unmanaged, managed, self._rack.network.master, resolve=self._resolve
        )
        if problems:
            raise ConfigurationError("; ".join(problems))
        separator = "\n" if before and not before.endswith("\n") else ""
        begin = _BEGIN_MARKER.format(digest=_digest(block))
        return f"{before}{separator}{begin}\n{block}{_END_MARKER}\n{after}"

    def unmanaged(self, text: str) -> str:
        """Return the text outside of the managed block, see `Renderer.unmanaged`."""
        return "".join(_split_managed_block(text, self._path))

    def _render_block(
        self, rasps: Iterable[Rasp], fixed: Collection[IPv4Address], lease_seconds: int
    ) -> str:
        slots = {(slot.stack, slot.number): slot for slot in self._rack.slots}
        template = Environment(
            loader=PackageLoader("dhcp_installer"),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - not HTML, and the values are validated
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
    """Return the dynamic address ranges, with two addresses for each slot.

    The ranges contain the highest free addresses of the subnet. The addresses of the slots, the
    master and `fixed` are not free.

    Raises:
        ConfigurationError: If the subnet has too few free addresses.
    """
    subnet = rack.network.subnet
    taken = {int(slot.address) for slot in rack.slots} | {
        int(rack.network.master),
        *map(int, fixed),
    }
    low, high = int(subnet.network_address), int(subnet.broadcast_address)
    needed = _POOL_ADDRESSES_PER_SLOT * len(rack.slots)
    remaining = needed
    ranges = []
    last = high - 1
    for bound in [*sorted((number for number in taken if low < number < high), reverse=True), low]:
        if remaining and bound < last:
            first = max(bound + 1, last - remaining + 1)
            ranges.append((IPv4Address(first), IPv4Address(last)))
            remaining -= last - first + 1
        last = bound - 1
    if remaining:
        raise ConfigurationError(
            f"{subnet} has only {needed - remaining} of the {needed} free addresses that the"
            " dynamic ranges need: enlarge network.subnet in rack.toml"
        )
    return sorted(ranges)


def _split_managed_block(text: str, path: Path) -> tuple[str, str]:
    """Return the text before and after the managed block."""
    begins, ends = list(_BEGIN_PATTERN.finditer(text)), list(_END_PATTERN.finditer(text))
    if not begins and not ends:
        return text, ""
    if len(begins) != 1 or len(ends) != 1 or ends[0].start() < begins[0].end():
        raise ConfigurationError(
            f"{path}: found {len(begins)} markers `# >>> PiRack` and {len(ends)} `# <<< PiRack`:"
            " leave one pair, or remove all markers and the lines between them"
        )
    (begin,), (end,) = begins, ends
    block = text[begin.end() + 1 : end.start()]
    line = text.count("\n", 0, begin.start()) + 1
    if begin[1] not in {_digest(block), _digest(_format_block(block))}:
        raise ConfigurationError(
            f"{path} line {line}: PiRack's block was edited: move your lines out of the block, and"
            " remove the rest of the block with its markers"
        )
    if begin[1] != _digest(block):
        raise ConfigurationError(
            f"{path} line {line}: PiRack's block was changed (line ends / indentation): remove the"
            " block with its markers, and PiRack writes it again"
        )
    return text[: begin.start()], text[end.end() + 1 :]


def _digest(block: str) -> str:
    return sha256(encode(block)).hexdigest()[:16]


def _format_block(block: str) -> str:
    """Return a managed block with the line ends and the indentation that PiRack writes."""
    formatted = ""
    depth = 0
    for line in filter(None, map(str.strip, block.split("\n"))):
        depth -= line == "}"
        formatted += f"{_INDENTATION * depth}{line}\n"
        depth += line.endswith("{")
    return formatted
