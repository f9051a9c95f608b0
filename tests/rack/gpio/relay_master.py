"""A Raspberry Pi with relays on two lines, whose kernel is simulated."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rack.database import Database
from rack.gpio.client import HolderClient
from rack.gpio.holder import Holder
from rack.gpio.pins import HolderFactory
from rack.gpio.server import HolderServer
from rack.layout_file import load
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower
from rack.settings import RelayBoard
from tests.helpers.simulated_gpio import (
    SimulatedChip,
    SimulatedKernel,
    running_kernel,
    simulated_ioctl,
)
from tests.helpers.stack_relays import StackRelays

BOOT = "11111111-1111-4111-8111-111111111111"

WHOLE_RACK = load(Path(__file__).parents[3] / "rack.toml")
RACK_OF_2 = replace(WHOLE_RACK, stacks=WHOLE_RACK.stacks[:2])  # on pins 16 and 17


class HolderThread:
    """A holder in this process. Its end closes its descriptors, but not the stored copies."""

    def __init__(self, folder: Path, stored: dict[int, int]) -> None:
        self._stored = stored
        self._own: list[int] = []
        copies = {line: self._copy(descriptor) for line, descriptor in stored.items()}
        self.chip = SimulatedChip(folder / "chip")
        holder = Holder(self.chip, copies, store=self._store, ioctl=simulated_ioctl)
        self.server = HolderServer(folder / "socket", holder)
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def _store(self, line: int, descriptor: int) -> None:
        self._own.append(descriptor)
        self._stored[line] = os.dup(descriptor)

    def _copy(self, descriptor: int) -> int:
        self._own.append(os.dup(descriptor))
        return self._own[-1]

    def end(self) -> None:
        """End the holder, as a kill does."""
        self.server.shutdown()
        self.server.server_close()
        self.chip.close()
        for descriptor in self._own:
            os.close(descriptor)


class RelayMaster:
    """A Raspberry Pi with relays on two lines, and a database.

    Args:
        folder: Folder for all files.
        kernel: Kernel with the lines.
    """

    def __init__(self, folder: Path, kernel: SimulatedKernel) -> None:
        self.kernel = kernel
        self.board = RelayBoard(active_high=True, contact="normally_closed")
        self.database = Database(folder / "pirack.db")
        self._folder = folder
        self._stored: dict[int, int] = {}
        self._clients: list[HolderClient] = []
        self.boot_id = folder / "boot_id"
        self.boot_id.write_text(f"{BOOT}\n")
        self.holder = HolderThread(folder, self._stored)

    def kill_holder(self) -> None:
        """Kill the holder, and start it again as systemd does."""
        self._disconnect()
        self.holder.end()
        self.holder = HolderThread(self._folder, self._stored)

    def stop_holder(self) -> None:
        """Stop the holder, as `systemctl stop`, which also closes the stored descriptors."""
        self._disconnect()
        self.holder.end()
        for descriptor in self._stored.values():
            os.close(descriptor)
        self._stored.clear()

    def start_holder(self) -> None:
        """Start a holder without stored descriptors."""
        self.holder = HolderThread(self._folder, self._stored)

    def close(self) -> None:
        self.stop_holder()

    def set_commanded(self, *, is_on: bool, boot_id: str = BOOT) -> None:
        power = CommandedPower(is_on, 0.0, boot_id)
        commanded_power.save(self.database, dict.fromkeys(RACK_OF_2.outlets, power))

    def client(self) -> HolderClient:
        """Return a new client of the holder."""
        self._clients.append(HolderClient(self._folder / "socket"))
        return self._clients[-1]

    def make_relays(self) -> StackRelays:
        """Claim the relays, as the controller does at startup."""
        return StackRelays(
            replace(RACK_OF_2, relays=self.board),
            self.database,
            factory=lambda: HolderFactory(self.client()),
            boot_id=self.boot_id,
        )

    def _disconnect(self) -> None:
        for client in self._clients:
            client.close()


@contextmanager
def running_master(folder: Path, *, persists: bool = True) -> Iterator[RelayMaster]:
    """Run a master. `persists` is that of `SimulatedKernel`."""
    with running_kernel(folder, persists=persists) as kernel:
        master = RelayMaster(folder, kernel)
        try:
            yield master
        finally:
            master.close()
