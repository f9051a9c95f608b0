"""Layout file of the demo, a copy of a rack.toml with another network and shorter timeouts."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_INSTALL_SETTINGS = {"timeout_seconds": 30.0, "cut_seconds": 2.0, "stagger_seconds": 0.5}
"""For rasps that boot in 5 s, or in 15 s with the fault `slow`."""


def write_layout(source: Path, destination: Path, network: str) -> None:
    """Write the rack.toml of the demo.

    Args:
        source: Valid layout file.
        destination: File to write.
        network: First two octets of the addresses.
    """
    tables = tomllib.loads(source.read_text(encoding="utf-8-sig"))
    tables["network"] |= {
        "subnet": f"{network}.0.0/16",
        "master": f"{network}.0.1",
        "address": f"{network}.{{stack}}.{{slot}}",
    }
    tables["install"] = tables.get("install", {}) | _INSTALL_SETTINGS
    destination.write_text("\n".join(_toml_lines(tables)) + "\n", encoding="utf-8")


def _toml_lines(tables: Mapping[str, Any]) -> Iterator[str]:
    """Yield TOML lines. Values are formatted as JSON, which TOML accepts."""
    yield from (
        f"{key} = {json.dumps(value)}"
        for key, value in tables.items()
        if not isinstance(value, dict) and key != "stacks"
    )
    for key, value in tables.items():
        if isinstance(value, dict):
            yield f"\n[{key}]"
            yield from _toml_lines(value)
    for stack in tables.get("stacks", ()):
        yield "\n[[stacks]]"
        yield from _toml_lines(stack)
