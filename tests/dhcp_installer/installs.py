"""Installs of a rack of namespaces, by the installer's command."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.virtual_rack.room_of_namespaces import Room


class Install:
    """An install that was run: what it told, line by line, and how it ended."""

    def __init__(self, lines: Sequence[str]) -> None:
        *reports, self.end = map(json.loads, lines)
        self.last: Mapping[str, Any] = reports[-1]


@contextmanager
def an_install(room: Room, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Have the installer run on the master until the block is left."""
    dhcpd = room.state / "dhcpd"
    with room.entered(
        *(sys.executable, "-m", "dhcp_installer", "--yes", "--json"),
        *("--rack", str(room.rack_toml), "--db", str(room.state / "pirack.db")),
        *("--dhcpd-conf", str(dhcpd / "dhcpd.conf"), "--dhcp-log", f"file:{dhcpd / 'dhcpd.log'}"),
        *words,
    ) as process:
        yield process


def install(room: Room, *words: str, seconds: float = 240.0) -> Install:
    """Install a rack."""
    with an_install(room, *words) as process:
        output, _ = process.communicate(timeout=seconds)
        return Install(output.splitlines())
