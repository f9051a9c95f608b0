"""Plugs that a test switches and reads, in place of the devices of a power source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rack.clock import Moment
from rack.layout import Rack
from rack.layout_file import parse
from rack.power.driver import PowerDriver
from rack.power.drivers.command import CommandSettings
from rack.power.state import OutletReading, SwitchResult
from tests.helpers.layouts import Keys, layout_text

SOURCE = "plugs"

_TABLE = f"""
[power.{SOURCE}]
driver = "command"
on = ["true"]
off = ["true"]
"""


@dataclass
class Plug:
    """State of a plug. Its driver reports `error`, instead of the state, if there is one."""

    is_on: bool = True
    watts: float | None = None
    error: str = ""


class PlugDriver(PowerDriver[CommandSettings]):
    """A driver of plugs, each of which has the name of its address. A test sets their states."""

    settings_type = CommandSettings

    def __init__(self, plugs: Mapping[str, Plug]) -> None:
        super().__init__(SOURCE, CommandSettings(on=("true",), off=("true",)))
        self.plugs = plugs
        self.commands: list[tuple[str, bool]] = []

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        return {address: self._read(address) for address in addresses}

    def _read(self, address: str) -> OutletReading:
        plug = self.plugs[address]
        if plug.error:
            return OutletReading(None, error=f"{SOURCE}:{address} (test): {plug.error}")
        return OutletReading(plug.is_on, plug.watts if plug.is_on else 0.0)

    def switch(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        results = {}
        for address, is_on in power.items():
            self.commands.append((address, is_on))
            plug = self.plugs[address]
            before = now()
            if not plug.error:
                plug.is_on = is_on
            error = f"{SOURCE}:{address} (test): {plug.error}" if plug.error else ""
            results[address] = SwitchResult(before, now(), error)
        return results


def plug_rack(stacks: Sequence[Keys] | None = None, **options: Any) -> Rack:
    """Return a rack with plugs.

    By default, stack 1 has two rasps with plugs of their own, `a` and `b`. The rasps of stack 2
    share the plug `c`, and those of stack 3 the relay on pin 16.

    Args:
        stacks: Keys of each stack besides its position.
        options: Further options of `layout_text`.
    """
    stacks = stacks or [
        {"outlets": [f"{SOURCE}:a", f"{SOURCE}:b"]},
        {"outlet": f"{SOURCE}:c"},
        {"pin": 16},
    ]
    placed = [{**keys, "x": x, "y": 0} for x, keys in enumerate(stacks)]
    return parse(layout_text(placed, extra_tables=_TABLE, **options))
