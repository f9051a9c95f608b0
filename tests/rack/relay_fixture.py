"""A virtual rack of three stacks with the database and the boot id of its master."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.database import Database
from rack.layout_file import load
from rack.settings import RelayBoard
from tests.helpers.stack_relays import StackRelays
from virtual_rack import control
from virtual_rack.loopback import LoopbackOptions, loopback_rack
from virtual_rack.pins import VirtualFactory

WHOLE_RACK = load(Path("rack.toml"))
RACK_OF_3 = replace(WHOLE_RACK, stacks=WHOLE_RACK.stacks[:3])
ALIASES = load_aliases(DEFAULT_PATH)
EPOCH = 1_700_000_000.0
"""Time at which the master booted, in seconds since the epoch."""

NORMALLY_CLOSED = RelayBoard(active_high=True, contact="normally_closed")


class KilledError(BaseException):
    """Simulates the end of the process."""


class RelayFixture:
    """A virtual rack with the database and the boot id of its master."""

    def __init__(self, folder: Path, board: RelayBoard = NORMALLY_CLOSED) -> None:
        self.layout = replace(RACK_OF_3, relays=board)
        self.rack = loopback_rack(self.layout, ALIASES, folder, LoopbackOptions(boot_seconds=0))
        self.rack.power_on()
        self.database = Database(folder / "pirack.db")
        self.boot_id = folder / "boot_id"
        self.boot_id.write_text("first\n")
        self.now = 1000.0
        self.before_pin: Callable[[], None] = lambda: None

    def make_relays(self) -> StackRelays:
        """Claim the relays, as the controller does at startup."""
        return StackRelays(
            self.layout,
            self.database,
            factory=lambda: VirtualFactory(self._send),
            boot_id=self.boot_id,
            clock=lambda: self.now,
            wall_clock=lambda: EPOCH + self.now,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def _send(self, request: control.Message) -> control.Message:
        if request["command"] == "set_pin":
            self.before_pin()
        return control.handle(self.rack, request)

    @property
    def power(self) -> list[bool]:
        """Whether each stack has power."""
        return [has_power for has_power, _ in self.rack.stack_power().values()]

    @property
    def switch_counts(self) -> list[int]:
        """Number of times that each relay was switched."""
        return [count for _, count in self.rack.stack_power().values()]

    def reboot(self) -> None:
        """Reboot the master, which resets its pins to inputs and changes the boot id."""
        self.rack = loopback_rack(
            self.layout, ALIASES, self.boot_id.parent, LoopbackOptions(boot_seconds=0)
        )
        self.rack.power_on()
        self.boot_id.write_text(f"after {self.boot_id.read_text()}")
