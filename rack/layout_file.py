"""rack.toml: read, checked, and turned into a `Rack`.

Checked is all that would harm later: a missing or unknown key, two stacks on one pin or in one
place, a pin that a Raspberry Pi's header does not have, addresses that clash.
"""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError
from pydantic_core import ErrorDetails

from rack.errors import LayoutError
from rack.layout import (
    AccessSettings,
    AfterBoot,
    Anonymous,
    Contact,
    InstallSettings,
    Network,
    OrderSettings,
    Rack,
    RelayBoard,
    RemediationSettings,
    Slot,
    Stack,
)

_ADDRESS_PLACEHOLDER = re.compile(r"\{(?:id|stack|slot)(?::0?\d)?\}")


class _Table(BaseModel):
    """A table of rack.toml. Each field's description ends an error's line: it is the mend."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_Slots = Annotated[
    int, Field(ge=1, le=254, description="give the number of rasps in a stack, 1 to 254")
]


class _StackTable(_Table):
    pin: int = Field(
        ge=2,
        le=27,
        description="give the BCM number of the relay's pin, 2 to 27"
        " (0 and 1 belong to the HAT's EEPROM)",
    )
    x: int = Field(ge=0, le=999, description="give the column, counted from 0 at the left")
    y: int = Field(ge=0, le=999, description="give the row, counted from 0 at the top")
    slots: _Slots | None = None


class _NetworkTable(_Table):
    subnet: Annotated[IPv4Network, Strict(False)] = Field(
        description='give the rack\'s network, such as "10.23.0.0/16"'
    )
    master: Annotated[IPv4Address, Strict(False)] = Field(
        description='give the master\'s address in the subnet, such as "10.23.0.1"'
    )
    address: str = Field(
        description="give a rasp's address as made of {stack}, {slot} and {id},"
        ' such as "10.23.{stack}.{slot}"'
    )
    exporter_port: int = Field(
        default=9849, ge=1, le=65535, description="give a TCP port, 1 to 65535"
    )
    ssh_port: int = Field(default=22, ge=1, le=65535, description="give a TCP port, 1 to 65535")


class _RelaysTable(_Table):
    active_high: bool = Field(
        description="give true where a high pin energises a relay, false where a low one does"
    )
    contact: Contact = Field(description='give "normally_closed" or "normally_open"')
    after_boot: AfterBoot = Field(default="restore", description='give "restore", "on" or "off"')


class _AccessTable(_Table):
    anonymous: Anonymous = Field(
        default="none", description='give "viewer" to let everybody look, or "none"'
    )
    hosts: list[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]] = Field(
        default=[],
        description='give names in lower case, without port, such as ["rack.example.org"]',
    )


def _non_negative_seconds(default: float, maximum: float = 3600.0) -> Any:
    return Field(
        default=default,
        ge=0,
        le=maximum,
        allow_inf_nan=False,
        description=f"give seconds, 0 to {maximum:g}",
    )


_ORDER_DEFAULTS = OrderSettings()


class _OrdersTable(_Table):
    boot_seconds: float = _non_negative_seconds(_ORDER_DEFAULTS.boot_seconds)
    shutdown_seconds: float = _non_negative_seconds(_ORDER_DEFAULTS.shutdown_seconds)
    disk_settle_seconds: float = _non_negative_seconds(_ORDER_DEFAULTS.disk_settle_seconds)
    off_seconds: float = _non_negative_seconds(_ORDER_DEFAULTS.off_seconds)
    max_booting: int = Field(
        default=_ORDER_DEFAULTS.max_booting,
        ge=1,
        le=10_000,
        description="give the number of rasps that may boot at once, 1 or more",
    )


def _positive_seconds(default: float, maximum: float) -> Any:
    return Field(default=default, gt=0, le=maximum, description=f"give seconds, up to {maximum:g}")


_INSTALL_DEFAULTS = InstallSettings()


class _InstallTable(_Table):
    timeout_seconds: float = _positive_seconds(_INSTALL_DEFAULTS.timeout_seconds, 3600)
    cut_seconds: float = _positive_seconds(_INSTALL_DEFAULTS.cut_seconds, 60)
    stagger_seconds: float = _non_negative_seconds(_INSTALL_DEFAULTS.stagger_seconds, 60)
    replace_seconds: float = _positive_seconds(_INSTALL_DEFAULTS.replace_seconds, 86400)
    mac_prefixes: list[Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){0,5}$")]] = Field(
        default=list(_INSTALL_DEFAULTS.mac_prefixes),
        min_length=1,
        description='give what rasps\' MACs begin with, in lower case, such as ["b8:27:eb"]',
    )


_REMEDIATION_DEFAULTS = RemediationSettings()


class _RemediationTable(_Table):
    power_cycle_dead_stack: bool = Field(
        default=False, description="give true to power-cycle a stack of which nothing answers"
    )
    reboot_wedged_rasp: bool = Field(
        default=False, description="give true to reboot a rasp that answers ping alone"
    )
    max_per_hour: int = Field(
        default=_REMEDIATION_DEFAULTS.max_per_hour,
        ge=1,
        le=60,
        description="give the number of remedies in an hour, 1 to 60",
    )


class _RackFile(_Table):
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="give the rack's name: letters, digits, dots, dashes, 63 at most",
    )
    slots: _Slots = 4
    network: _NetworkTable = Field(description="add the table [network]")
    relays: _RelaysTable = Field(description="add the table [relays]")
    access: _AccessTable = _AccessTable()
    orders: _OrdersTable = _OrdersTable()
    install: _InstallTable = _InstallTable()
    remediation: _RemediationTable = _RemediationTable()
    stacks: list[_StackTable] = Field(
        min_length=1, description="add a table [[stacks]] for each stack"
    )


def load(path: Path) -> Rack:
    """Read the rack's layout.

    Raises:
        LayoutError: the file cannot be read, or says something that cannot be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LayoutError(
            path, "", error.strerror or str(error), "name a rack.toml that can be read"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LayoutError(path, f"line {line}", "not UTF-8", "save the file as UTF-8") from error
    return parse(text, path)


def parse(text: str, path: Path = Path("rack.toml")) -> Rack:
    """Turn the text of a rack.toml into a `Rack`; `path` is for the errors alone.

    Raises:
        LayoutError: the text is not TOML, or says something that cannot be.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LayoutError(path, "", f"not TOML: {error}", "mend the syntax there") from error
    try:
        file = _RackFile.model_validate(tables)
    except ValidationError as error:
        raise _first_error(path, error) from error
    return _build(file, path)


def _first_error(path: Path, error: ValidationError) -> LayoutError:
    # An unknown key is told first: it is often the misspelt twin of one that is missing.
    details = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    what, mend = _problem_and_hint(details)
    return LayoutError(path, _format_key(details["loc"]), what, mend)


def _problem_and_hint(details: ErrorDetails) -> tuple[str, str]:
    fields, name = _fields_at(details["loc"])
    if details["type"] == "extra_forbidden":
        near = get_close_matches(name, fields, n=1)
        return "unknown key", f"did you mean {near[0]!r}?" if near else (
            f"take it out (known here: {', '.join(fields)})"
        )
    mend = fields[name].description if name in fields else None
    what = "missing" if details["type"] == "missing" else f"{details['msg'].lower()}"
    if details["type"] != "missing":
        what = f"{_truncate(details['input'])} is wrong ({what})"
    return what, mend or "see the rack.toml that PiRack comes with"


def _truncate(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004


def _fields_at(location: tuple[int | str, ...]) -> tuple[Mapping[str, Any], str]:
    """Return the fields of the table that a location of pydantic's points into, and the key."""
    tables: dict[str, type[_Table]] = {
        "network": _NetworkTable,
        "relays": _RelaysTable,
        "access": _AccessTable,
        "orders": _OrdersTable,
        "install": _InstallTable,
        "remedies": _RemediationTable,
        "stacks": _StackTable,
    }
    words = [str(word) for word in location if isinstance(word, str)]
    table = tables[words[0]] if len(words) > 1 and words[0] in tables else _RackFile
    return table.model_fields, words[min(1, len(words) - 1)] if table is not _RackFile else words[0]


def _format_key(location: tuple[int | str, ...]) -> str:
    """Name a key as people count: `stacks[3].pin` is the pin of the third stack."""
    key = ""
    for word in location:
        if isinstance(word, int):
            key += f"[{word + 1}]"
        else:
            key += f".{word}" if key else word
    return key


def _build(file: _RackFile, path: Path) -> Rack:
    pins: dict[int, int] = {}
    places: dict[tuple[int, int], int] = {}
    stacks = []
    next_id = 1
    for number, table in enumerate(file.stacks, start=1):
        key = f"stacks[{number}]"
        if (other := pins.setdefault(table.pin, number)) != number:
            raise LayoutError(
                path,
                f"{key}.pin",
                f"{table.pin} is the pin of stack {other} too",
                "give each stack a pin of its own",
            )
        if (other := places.setdefault((table.x, table.y), number)) != number:
            raise LayoutError(
                path,
                f"{key}.x, {key}.y",
                f"({table.x}, {table.y}) is the place of stack {other} too",
                "give each stack a place of its own",
            )
        count = table.slots or file.slots
        slots = tuple(
            Slot(
                next_id + i,
                number,
                i + 1,
                _slot_address(file.network, path, next_id + i, number, i + 1),
            )
            for i in range(count)
        )
        next_id += count
        stacks.append(Stack(number, table.pin, table.x, table.y, slots))
    rack = Rack(
        name=file.name,
        network=Network(
            file.network.subnet,
            file.network.master,
            file.network.exporter_port,
            file.network.ssh_port,
        ),
        relays=RelayBoard(file.relays.active_high, file.relays.contact, file.relays.after_boot),
        stacks=tuple(stacks),
        access=AccessSettings(file.access.anonymous, tuple(file.access.hosts)),
        orders=OrderSettings(**dict(file.orders)),
        install=InstallSettings(
            **dict(file.install) | {"mac_prefixes": tuple(file.install.mac_prefixes)}
        ),
        remediation=RemediationSettings(**dict(file.remediation)),
    )
    _check_addresses(rack, path)
    return rack


def _slot_address(
    network: _NetworkTable, path: Path, id: int, stack: int, slot: int
) -> IPv4Address:  # noqa: A002
    mend = _NetworkTable.model_fields["address"].description or ""
    # The plan goes through str.format: let nothing but the three fields into it.
    if re.search(r"[{}]", _ADDRESS_PLACEHOLDER.sub("", network.address)):
        raise LayoutError(path, "network.address", f"{network.address!r} has another field", mend)
    text = network.address.format(id=id, stack=stack, slot=slot)
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise LayoutError(
            path,
            "network.address",
            f"gives {text!r} to stack {stack}, slot {slot}: no address",
            mend,
        ) from error


def _check_addresses(rack: Rack, path: Path) -> None:
    subnet, master = rack.network.subnet, rack.network.master
    reserved = {subnet.network_address, subnet.broadcast_address}
    if master not in subnet or master in reserved:
        raise LayoutError(
            path, "network.master", f"{master} is no host of {subnet}", "give one that is"
        )
    taken = {master: "the master"}
    for slot in rack.slots:
        if slot.address not in subnet or slot.address in reserved:
            raise LayoutError(
                path,
                "network.address",
                f"gives {slot.address} to {slot.name}, which is no host of {subnet}",
                "widen network.subnet or change the plan",
            )
        if slot.address in taken:
            raise LayoutError(
                path,
                "network.address",
                f"gives {slot.address} to {slot.name} and to {taken[slot.address]}",
                "let the plan tell places apart: use {stack} and {slot}, or {id}",
            )
        taken[slot.address] = slot.name
