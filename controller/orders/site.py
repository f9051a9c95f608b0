"""The site: rasps and relays as orders reach them, on the orders' own asyncio loop."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from controller.orders.ping import Ping, PingUnavailable
from controller.orders.reading import Exporters
from controller.ssh import Ssh
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack
from rack.relays import Relays

NOBODY_TELLS = "blackbox_exporter cannot be asked"
"""Why nobody can tell whether a rasp answers: see `Site.does_answer`."""

_THREADS = 64

_Answer = TypeVar("_Answer")


class Booting:
    """Keeps the rasps that boot at once below a number, over all orders."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._booting = 0
        self._changed = asyncio.Condition()

    async def begin(self, count: int) -> None:
        """Wait until `count` rasps more may boot; more than the number boot alone."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._booting == 0 or self._booting + count <= self._at_once
            )
            self._booting += count

    async def end(self, count: int = 1) -> None:
        """Tell that rasps have booted, or have had their time."""
        async with self._changed:
            self._booting -= count
            self._changed.notify_all()


class Site:
    """What an order has to do with.

    Args:
        rack: the layout.
        rasps: returns those of the inventory, by (stack, slot).
        relays: one a stack.
        pings: asks whether a rasp answers.
        exporters: asks for readings.
        ssh: runs actions on rasps.
        poll_seconds: how long to wait between two looks at a rasp.
    """

    def __init__(
        self,
        rack: Rack,
        rasps: Callable[[], Mapping[tuple[int, int], Rasp]],
        relays: Relays,
        pings: Ping,
        exporters: Exporters,
        ssh: Ssh,
        *,
        poll_seconds: float = 1.0,
    ) -> None:
        self.rack = rack
        self.rasps = rasps
        self.relays = relays
        self.pings = pings
        self.exporters = exporters
        self.ssh = ssh
        self.poll_seconds = poll_seconds
        self.booting = Booting(rack.orders.booting_at_once)
        self._threads = ThreadPoolExecutor(_THREADS, "orders")

    def installed(self, stack: Stack) -> list[tuple[Slot, Rasp]]:
        """Return the slots of a stack in which a rasp is known, each with its rasp."""
        rasps = self.rasps()
        return [
            (slot, rasp)
            for slot in stack.slots
            if (rasp := rasps.get((slot.stack, slot.number))) is not None
        ]

    async def does_answer(self, rasp: Rasp) -> bool | None:
        """Tell whether a rasp answers now; None where nobody can tell."""
        try:
            return await self.in_thread(self.pings.does_answer, rasp.address)
        except PingUnavailable:
            return None

    async def in_thread(self, do: Callable[..., _Answer], *arguments: object) -> _Answer:
        """Do what blocks in a thread, so that the loop goes on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, do, *arguments)

    def close(self) -> None:
        """Wait for what is in threads: each has a time-out of its own."""
        self._threads.shutdown(cancel_futures=True)
