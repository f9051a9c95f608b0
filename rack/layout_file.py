"""Load and validate rack.toml."""

import re
import tomllib
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from pydantic import ValidationError

from rack.errors import LayoutError
from rack.layout import Rack, Slot, Stack
from rack.layout_power import OutletTables
from rack.settings import Network, RackSettings
from rack.settings_errors import first_error

_ADDRESS_PLACEHOLDER = re.compile(r"\{(?:id|stack|slot)(?::0?\d)?\}")


def load(path: Path) -> Rack:
    """Load a rack.toml.

    Raises:
        LayoutError: If the file cannot be read or is invalid.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors add a byte order mark
    except OSError as error:
        raise LayoutError(
            path, "", error.strerror or str(error), "name a readable rack.toml"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LayoutError(path, f"line {line}", "not UTF-8", "save the file as UTF-8") from error
    return parse(text, path)


def parse(text: str, path: Path = Path("rack.toml")) -> Rack:
    """Parse the text of a rack.toml.

    Args:
        text: Content of the file.
        path: Path in error messages.

    Raises:
        LayoutError: If the text is not TOML or is invalid.
    """
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also too many digits, or too many brackets
        raise LayoutError(path, "", f"not TOML: {error}", "fix the syntax there") from error
    try:
        settings = RackSettings.model_validate(tables)
    except ValidationError as error:
        raise _first_error(path, error) from error
    outlet_tables = OutletTables(settings, path)
    rack = Rack(
        name=settings.name,
        network=settings.network,
        relays=settings.relays,
        stacks=_make_stacks(settings, path, outlet_tables),
        power=outlet_tables.sources,
        access=settings.access,
        orders=settings.orders,
        install=settings.install,
        remediation=settings.remediation,
    )
    _check_addresses(rack, path)
    return rack


def _first_error(path: Path, error: ValidationError) -> LayoutError:
    found = first_error(error, RackSettings)
    return LayoutError(path, found.key, found.problem, found.hint)


def _make_stacks(
    settings: RackSettings, path: Path, outlet_tables: OutletTables
) -> tuple[Stack, ...]:
    stack_by_position: dict[tuple[int, int], int] = {}
    stacks = []
    next_id = 1
    for number, table in enumerate(settings.stacks, start=1):
        key = f"stacks[{number}]"
        if (other := stack_by_position.setdefault((table.x, table.y), number)) != number:
            raise LayoutError(
                path,
                f"{key}.x, {key}.y",
                f"position ({table.x}, {table.y}) is already used by stack {other}",
                "use a different position",
            )
        count = table.slots or settings.slots
        slots = tuple(
            Slot(
                next_id + i,
                number,
                i + 1,
                _slot_address(settings.network, path, next_id + i, number, i + 1),
            )
            for i in range(count)
        )
        next_id += count
        outlets = outlet_tables.outlets_of(number, table, count)
        stacks.append(Stack(number, table.x, table.y, slots, outlets))
    return tuple(stacks)


def _slot_address(
    network: Network,
    path: Path,
    id: int,  # noqa: A002 - the placeholder in rack.toml
    stack: int,
    slot: int,
) -> IPv4Address:
    # Only the three placeholders may reach str.format, which can read attributes.
    if re.search(r"[{}]", _ADDRESS_PLACEHOLDER.sub("", network.address)):
        raise LayoutError(
            path,
            "network.address",
            f"{network.address!r} has an unknown placeholder",
            "use {stack}, {slot} and {id} only",
        )
    text = network.address.format(id=id, stack=stack, slot=slot)
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise LayoutError(
            path,
            "network.address",
            f"{text!r} for stack {stack}, slot {slot} is not a valid IPv4 address",
            'use a pattern such as "10.23.{stack}.{slot}"',
        ) from error


def _check_addresses(rack: Rack, path: Path) -> None:
    subnet, master = rack.network.subnet, rack.network.master
    reserved = {subnet.network_address, subnet.broadcast_address}
    if master not in subnet or master in reserved:
        raise LayoutError(
            path,
            "network.master",
            f"{master} is not a host address in {subnet}",
            "use a host address of the subnet",
        )
    owner_by_address = {master: "the master"}
    for slot in rack.slots:
        if slot.address not in subnet or slot.address in reserved:
            raise LayoutError(
                path,
                "network.address",
                f"{slot.address} for {slot.name} is not a host address in {subnet}",
                "enlarge network.subnet or change the pattern",
            )
        if slot.address in owner_by_address:
            raise LayoutError(
                path,
                "network.address",
                f"{slot.address} for {slot.name} is already used by"
                f" {owner_by_address[slot.address]}",
                "use {stack} and {slot}, or {id}, in the pattern",
            )
        owner_by_address[slot.address] = slot.name
