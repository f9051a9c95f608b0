"""Parts of a rack.toml with a stack for each power driver."""

from collections.abc import Sequence
from pathlib import Path

from tests.helpers.layouts import Keys
from tests.helpers.poe_layouts import poe_table
from tests.helpers.waiting import free_port

PLUG_SECONDS = 2
"""Setting `timeout_seconds` of the plugs, less than the delay of a slow device."""

OTHER_SECONDS = 8
"""Setting `timeout_seconds` of the other devices, more than this delay."""

_PASSWORD = "password-test"
_PIN = 16


class MixedLayout:
    """A rack with a PoE switch, two plugs, a program, and a relay: stacks 1 to 5.

    Each rasp of stack 1 has a port of the switch, and each rasp of stack 3 a channel of a Tasmota
    strip. The rasps of stack 2 share a Shelly plug, those of stack 4 an outlet of the program, and
    those of stack 5 the relay.

    Args:
        folder: Folder of a `RackProcess`, for the files with credentials.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.program = folder / "state" / "outlets" / "usb" / "outlet"
        self.shelly = f"127.0.0.1:{free_port()}"
        self.tasmota = f"127.0.0.1:{free_port()}"

    @property
    def power_tables(self) -> str:
        """Tables `[power.NAME]` of the power sources."""
        secret = self._folder / "password"
        secret.write_text(_PASSWORD)
        secret.chmod(0o600)
        plugs = "".join(
            f'[power.{api}]\ndriver = "http"\napi = "{api}"\npassword_file = "{secret}"\n'
            f"timeout_seconds = {PLUG_SECONDS}\n"
            for api in ("shelly", "tasmota")
        )
        commands = "".join(
            f'{key} = ["{self.program}", "{word}", "{{address}}"]\n'
            for key, word in (("on", "on"), ("off", "off"), ("status", "read"))
        )
        timeout = f"timeout_seconds = {OTHER_SECONDS}\n"
        usb = f'[power.usb]\ndriver = "command"\n{commands}{timeout}'
        return f"{poe_table(self._folder)}{timeout}{plugs}{usb}"

    @property
    def stacks(self) -> Sequence[Keys]:
        """Keys of the stacks."""
        power: Sequence[Keys] = [
            {"outlets": ["poe:1", "poe:2"]},
            {"outlet": f"shelly:{self.shelly}"},
            {"outlets": [f"tasmota:{self.tasmota}", f"tasmota:{self.tasmota}/2"]},
            {"outlet": "usb:a"},
            {"pin": _PIN},
        ]
        return [{**keys, "x": x, "y": 0} for x, keys in enumerate(power)]
