"""Layout file of the demo, a copy of a rack.toml with another network and shorter timeouts.

The power sources are replaced by virtual devices.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from virtual_rack.demo.power import use_poe, use_virtual_devices

_INSTALL_SETTINGS = {"timeout_seconds": 30.0, "cut_seconds": 2.0, "stagger_seconds": 0.5}
"""For rasps that boot in 5 s, or in 15 s with the fault `slow`."""


def write_layout(source: Path, destination: Path, network: str, *, has_poe: bool = False) -> None:
    """Write the rack.toml of the demo, and the credentials of its power sources.

    Args:
        source: Valid layout file.
        destination: File to write, in the state folder.
        network: First two octets of the addresses.
        has_poe: Whether each rasp is powered by a port of a PoE switch, instead of the outlets in
            the layout file.
    """
    tables = tomllib.loads(source.read_text(encoding="utf-8-sig"))
    tables["network"] |= {
        "subnet": f"{network}.0.0/16",
        "master": f"{network}.0.1",
        "address": f"{network}.{{stack}}.{{slot}}",
    }
    tables["install"] = tables.get("install", {}) | _INSTALL_SETTINGS
    if has_poe:
        use_poe(tables)
    use_virtual_devices(tables, f"{network}.0.2", destination.parent)
    destination.write_text("\n".join(_toml_lines(tables)) + "\n", encoding="utf-8")


def _toml_lines(tables: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the lines of a rack.toml. Values are formatted as JSON, which TOML accepts."""
    yield from (
        f"{key} = {json.dumps(value)}"
        for key, value in tables.items()
        if not isinstance(value, dict) and key != "stacks"
    )
    for key, value in tables.items():
        if isinstance(value, dict):
            yield f"\n[{prefix}{key}]"
            yield from _toml_lines(value, f"{prefix}{key}.")
    for stack in tables.get("stacks", ()):
        yield "\n[[stacks]]"
        yield from _toml_lines(stack)
