"""Builder of rack.toml texts, and readers of layouts."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rack.layout import GPIO, Rack, Stack
from rack.settings import RelayBoard

Keys = Mapping[str, object]


def layout_text(
    stacks: int | Iterable[Keys] = 1,
    *,
    name: str = "small",
    slots: int = 2,
    network_prefix: str = "10.23",
    extra_tables: str = "",
    **tables: Keys,
) -> str:
    """Return the text of a rack.toml.

    Args:
        stacks: Number of stacks in one row and on pins from 16, or the keys of each stack.
        name: Name of the rack.
        slots: Number of rasps in a stack.
        network_prefix: First two octets of the addresses.
        extra_tables: Text of additional tables.
        tables: Additional keys, for each table.
    """
    addresses = {
        "subnet": f"{network_prefix}.0.0/16",
        "master": f"{network_prefix}.0.1",
        "address": f"{network_prefix}.{{stack}}.{{slot}}",
    }
    wiring = {"active_high": True, "contact": "normally_closed"}
    tables["network"] = addresses | {**tables.get("network", {})}
    tables["relays"] = wiring | {**tables.get("relays", {})}
    if isinstance(stacks, int):
        stacks = [{"pin": 16 + i, "x": i, "y": 0} for i in range(stacks)]
    return "\n".join(
        [
            _keys({"name": name, "slots": slots}),
            *(f"[{table}]\n{_keys(keys)}" for table, keys in tables.items()),
            extra_tables,
            *(f"[[stacks]]\n{_keys(keys)}" for keys in stacks),
        ]
    )


def documented_room() -> tuple[str, str]:
    """Return the rack.toml of the room in the documentation, and the drawing of this room."""
    page = Path("docs/reference/rack-toml.md").read_text(encoding="utf-8")
    [section] = re.findall(r"<!-- room -->\n(.*)<!-- end of room -->", page, re.DOTALL)
    text, drawing = re.findall(r"^```\w*\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return text, drawing


def pin_of(stack: Stack) -> int:
    """Return the pin of the relay of a stack."""
    [outlet] = stack.outlets
    assert outlet.source == GPIO
    return int(outlet.address)


def pins_of(rack: Rack) -> list[int]:
    """Return the pins of the relays of a rack."""
    return [pin_of(stack) for stack in rack.stacks]


def relay_board(rack: Rack) -> RelayBoard:
    """Return the relay board of a rack that has relays."""
    assert rack.relays is not None
    return rack.relays


def _keys(keys: Keys) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
