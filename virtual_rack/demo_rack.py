"""The demo's rack.toml: the given one, on the demo's own network, with an install of a minute."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_INSTALL = {"timeout_seconds": 30.0, "cut_seconds": 2.0, "stagger_seconds": 0.5}
"""For rasps that boot in 5 s, and in 15 under the fault `slow`."""


def write_rack(given: Path, own: Path, network: str) -> None:
    """Write the demo's own rack.toml; `network` is the first two octets of its addresses.

    `given` must be one that can be used.
    """
    tables = tomllib.loads(given.read_text(encoding="utf-8"))
    tables["network"] |= {
        "subnet": f"{network}.0.0/16",
        "master": f"{network}.0.1",
        "address": f"{network}.{{stack}}.{{slot}}",
    }
    tables["install"] = tables.get("install", {}) | _INSTALL
    own.write_text("\n".join(_lines(tables)) + "\n", encoding="utf-8")


def _lines(tables: Mapping[str, Any]) -> Iterator[str]:
    """Give TOML's lines; strings, numbers and lists of strings are there as JSON has them."""
    yield from (
        f"{key} = {json.dumps(value)}"
        for key, value in tables.items()
        if not isinstance(value, dict) and key != "stacks"
    )
    for key, value in tables.items():
        if isinstance(value, dict):
            yield f"\n[{key}]"
            yield from _lines(value)
    for stack in tables.get("stacks", ()):
        yield "\n[[stacks]]"
        yield from _lines(stack)
