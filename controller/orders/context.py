"""The site: rasps and relays as orders reach them, on the orders' own asyncio loop."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from controller.orders.blackbox_client import BlackboxClient, BlackboxUnavailableError
from controller.orders.exporter_client import ExporterClient
from controller.ssh.pool import SshPool
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack
from rack.relays import Relays

PROBE_UNAVAILABLE = "blackbox_exporter cannot be asked"
"""Why nobody can tell whether a rasp answers: see `OrderContext.is_reachable`."""

_MAX_THREADS = 64

_Result = TypeVar("_Result")


class BootLimiter:
    """Keeps the rasps that boot at once below a number, over all orders."""

    def __init__(self, max_booting: int) -> None:
        self._max_booting = max_booting
        self._booting = 0
        self._changed = asyncio.Condition()

    async def acquire(self, count: int) -> None:
        """Wait until `count` rasps more may boot; more than the number boot alone."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._booting == 0 or self._booting + count <= self._max_booting
            )
            self._booting += count

    async def release(self, count: int = 1) -> None:
        """Tell that rasps have booted, or have had their time."""
        async with self._changed:
            self._booting -= count
            self._changed.notify_all()


class OrderContext:
    """What an order has to do with.

    Args:
        rack: the layout.
        rasps: returns those of the inventory, by (stack, slot).
        relays: one a stack.
        blackbox: asks whether a rasp answers.
        exporter_client: asks for readings.
        ssh: runs actions on rasps.
        poll_seconds: how long to wait between two looks at a rasp.
    """

    def __init__(
        self,
        rack: Rack,
        rasps: Callable[[], Mapping[tuple[int, int], Rasp]],
        relays: Relays,
        blackbox: BlackboxClient,
        exporter_client: ExporterClient,
        ssh: SshPool,
        *,
        poll_seconds: float = 1.0,
    ) -> None:
        self.rack = rack
        self.rasps = rasps
        self.relays = relays
        self.blackbox = blackbox
        self.exporter_client = exporter_client
        self.ssh = ssh
        self.poll_seconds = poll_seconds
        self.boot_limiter = BootLimiter(rack.orders.max_booting)
        self._threads = ThreadPoolExecutor(_MAX_THREADS, "orders")

    def installed_rasps(self, stack: Stack) -> list[tuple[Slot, Rasp]]:
        """Return the slots of a stack in which a rasp is known, each with its rasp."""
        rasps = self.rasps()
        return [
            (slot, rasp)
            for slot in stack.slots
            if (rasp := rasps.get((slot.stack, slot.number))) is not None
        ]

    async def is_reachable(self, rasp: Rasp) -> bool | None:
        """Tell whether a rasp answers now; None where nobody can tell."""
        try:
            return await self.run_in_thread(self.blackbox.probe, rasp.address)
        except BlackboxUnavailableError:
            return None

    async def run_in_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Do what blocks in a thread, so that the loop goes on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """Wait for what is in threads: each has a time-out of its own."""
        self._threads.shutdown(cancel_futures=True)
