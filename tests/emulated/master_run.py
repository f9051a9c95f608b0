"""A master on an emulated Raspberry Pi that a test starts, orders, kills and starts again."""

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from rack.layout import Rack
from rack.layout_file import load
from tests.emulated.cache import ROOT
from tests.emulated.emulated_master import BOOT_SECONDS, EmulatedMaster
from tests.emulated.kernels import KernelSource
from tests.emulated.master_image import kernel, key_pair
from tests.emulated.relay_moves import Power, RelayMove, power_after, relay_moves
from tests.helpers.layouts import pins_of
from tests.helpers.waiting import wait_until

WAIT_FOR_CONTROLLER = (
    "until curl --silent --fail --max-time 10 http://127.0.0.1:8080/healthz > /dev/null;"
    " do sleep 0.5; done"
)
_UNIT_STARTS = "Starting pirack-controller.service"
_POLL_SECONDS = 0.1


class MasterRun:
    """A master with its SD card, which starts with `start`.

    Args:
        source: Its kernel.
        image: Image of the SD card. The master uses a copy.
        folder: Folder for its files.
    """

    machine: EmulatedMaster

    def __init__(self, source: KernelSource, image: Path, folder: Path) -> None:
        self.source = source
        self.rack: Rack = load(ROOT / "rack.toml")
        self._folder = folder
        self._card = folder / "card"
        self._starts = 0
        self._seen = 0
        subprocess.run(
            ["cp", "--sparse=always", str(image), str(self._card)], check=True, timeout=BOOT_SECONDS
        )

    def start(self, *, network: bool = True) -> None:
        """Switch the master on."""
        self._starts += 1
        self._seen = 0
        self.machine = EmulatedMaster(
            kernel(self.source),
            self.source.parameters,
            self._card,
            key_pair(),
            self._folder / f"start-{self._starts}",
            network=network,
        )
        self.machine.start()

    def cut_power(self) -> None:
        """End the master as a power failure does."""
        self.machine.cut_power()

    def run(self, script: str, *, typed: str = "") -> str:
        """Run a shell script as root. See `EmulatedMaster.run`."""
        return self.machine.run(script, typed=typed)

    def order(self, command: str, *, typed: str = "") -> None:
        """Run `pirack power`. Its exit status is 1, because no rasp shows the observed power."""
        self.run(f"{command} || [ $? = 1 ]", typed=typed)

    def copy_to(self, file: Path, path: str) -> None:
        """Copy a text file of this machine to the master."""
        self.run(f"cat > {path} <<'END_OF_FILE'\n{file.read_text(encoding='utf-8')}END_OF_FILE")

    def wait_for_controller(self) -> None:
        """Wait until SSH works and the controller responds."""
        self.machine.wait_for_ssh()
        self.run(WAIT_FOR_CONTROLLER)

    def new_moves(self) -> list[tuple[int, Power]]:
        """Return the moves of relays since the last call, as stack and power."""
        moves = self._moves()
        new = moves[self._seen :]
        self._seen = len(moves)
        return [(move.stack, move.new) for move in new]

    def power(self) -> Mapping[int, Power]:
        """Return the power of each stack."""
        return power_after(self._moves(), self.rack)

    def reported_power(self) -> Mapping[int, Power]:
        """Return the power of each stack that the controller reports, without a mismatch."""
        token = "$(cat /root/.config/pirack/token)"
        text = self.run(
            f'curl --silent --fail --max-time 60 --header "Authorization: Bearer {token}"'
            " http://127.0.0.1:8080/api/v1.0/stacks"
        )
        return {
            stack["number"]: Power.ON if stack["power"] == "on" else Power.OFF
            for stack in json.loads(text)
            if not stack["power_mismatch"]
        }

    def measure_claim(self, since: float) -> tuple[float, float]:
        """Wait until all relays are claimed.

        Args:
            since: Time of the start or reset of the machine, in seconds since the epoch.

        Returns:
            Seconds from the start of the machine, and from the start of the controller's unit,
            until the last relay was claimed.
        """
        length = len(self.machine.console())
        unit_started_at: list[float] = []

        def are_all_claimed() -> bool:
            if not unit_started_at and _UNIT_STARTS in self.machine.console()[length:]:
                unit_started_at.append(time.time())
            return Power.RELEASED not in self.power().values()

        wait_until(are_all_claimed, timeout=BOOT_SECONDS)
        claimed_at = max(move.time for move in self._moves())
        assert unit_started_at, "the console does not show the start of the controller"
        return claimed_at - since, claimed_at - unit_started_at[0]

    def _moves(self) -> tuple[RelayMove, ...]:
        pins = pins_of(self.rack)
        return tuple(relay_moves(self.machine.pin_changes(pins), self.rack))
