"""Power sources of the demo: virtual devices instead of those in a rack.toml."""

import secrets
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from virtual_rack.outlets.power_ethernet_mib import PORT_MILLIWATTS, format_oid

POE = "poe"
"""Name of the power source with a port of a PoE switch for each rasp."""

_FIRST_PORT = 9161
_CREDENTIALS = ("community", "auth_password", "privacy_password", "password")
_KEPT_KEYS = {
    "snmp": {"version", "user", "auth_protocol", "privacy_protocol", "timeout_seconds"},
    "http": {"api", "timeout_seconds"},
    "command": {"timeout_seconds", "parallel"},
}
_WATTS = {
    "watts_oid": f"{format_oid(PORT_MILLIWATTS).removeprefix('.')}.{{group}}.{{port}}",
    "watts_scale": 0.001,
}


def use_poe(tables: dict[str, Any]) -> None:
    """Give each rasp in the tables of a rack.toml a port of a PoE switch."""
    tables.pop("relays", None)
    tables["power"] = {POE: {"driver": "snmp", "community_file": ""}}
    ports = count(1)
    for stack in tables["stacks"]:
        for key in ("pin", "outlet", "outlets"):
            stack.pop(key, None)
        slots = stack.get("slots", tables.get("slots", 4))
        stack["outlets"] = [f"{POE}:{next(ports)}" for _ in range(slots)]


def use_virtual_devices(tables: dict[str, Any], host: str, state: Path) -> None:
    """Replace the power sources in the tables of a rack.toml by virtual devices.

    The devices have other addresses, other credentials, and the objects of the virtual PoE switch.
    Power sources of other drivers than those of PiRack do not change.

    Args:
        tables: Tables of a valid rack.toml.
        host: Address of the virtual devices.
        state: State folder of the virtual rack, for the credentials.
    """
    ports = count(_FIRST_PORT)
    sources = tables.get("power", {})
    for name, source in sources.items():
        driver = source["driver"]
        if driver in _KEPT_KEYS:
            settings = {key: text for key, text in source.items() if key in _KEPT_KEYS[driver]}
            sources[name] = {
                "driver": driver,
                **settings,
                **_write_credentials(name, source, state.resolve() / "power"),
            }
        if driver == "snmp":
            sources[name] |= {"host": host, "port": next(ports), **_WATTS}
        elif driver == "command":
            program = str(state.resolve() / "outlets" / name / "outlet")
            for key, word in (("on", "on"), ("off", "off"), ("status", "read")):
                sources[name][key] = [program, word, "{address}"]
            sources[name]["watts_pattern"] = "([0-9.]+) W"
    _replace_hosts(tables, host, ports)


def _write_credentials(name: str, source: Mapping[str, Any], folder: Path) -> Mapping[str, str]:
    """Write a file for each credential of a power source. Return the keys of rack.toml."""
    keys = {}
    for credential in _CREDENTIALS:
        if f"{credential}_file" in source or f"{credential}_env" in source:
            folder.mkdir(mode=0o700, exist_ok=True)
            file = folder / f"{name}-{credential}"
            file.touch(mode=0o600)
            file.write_text(f"{secrets.token_hex()}\n")
            keys[f"{credential}_file"] = str(file)
    return keys


def _replace_hosts(tables: Mapping[str, Any], host: str, ports: Iterator[int]) -> None:
    """Replace the hosts in the addresses of the driver `http`. Each device gets a port."""
    places: dict[str, str] = {}

    def replace(text: str) -> str:
        source, _, address = text.partition(":")
        if tables.get("power", {}).get(source, {}).get("driver") != "http":
            return text
        device, slash, channel = address.partition("/")
        if device not in places:
            places[device] = f"{host}:{next(ports)}"
        return f"{source}:{places[device]}{slash}{channel}"

    for stack in tables["stacks"]:
        if "outlet" in stack:
            stack["outlet"] = replace(stack["outlet"])
        if "outlets" in stack:
            stack["outlets"] = [replace(text) for text in stack["outlets"]]
