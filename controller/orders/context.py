"""Access of orders to the rasps and relays."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from controller.orders.blackbox_client import BlackboxClient, BlackboxUnavailableError
from controller.orders.exporter_client import ExporterClient
from controller.ssh.pool import SshPool
from rack.inventory import Rasp
from rack.layout import Rack, Slot, Stack
from rack.power_edges import Edge
from rack.relays import Relays

PROBE_UNAVAILABLE = "blackbox_exporter is unavailable"
"""Detail of a result if `OrderContext.is_reachable` returns None."""

_MAX_THREADS = 64

_Result = TypeVar("_Result")


class BootLimiter:
    """Limit on the number of rasps that boot at the same time, shared by all orders."""

    def __init__(self, max_booting: int) -> None:
        self._max_booting = max_booting
        self._booting = 0
        self._changed = asyncio.Condition()

    async def acquire(self, count: int) -> None:
        """Wait until `count` more rasps may boot.

        If `count` exceeds the limit, wait until no other rasp boots.
        """
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._booting == 0 or self._booting + count <= self._max_booting
            )
            self._booting += count

    async def release(self, count: int = 1) -> None:
        """Release rasps that have booted, failed or timed out."""
        async with self._changed:
            self._booting -= count
            self._changed.notify_all()


@dataclass
class OrderContext:
    """The rack, its relays and the clients that all orders use.

    Args:
        rack: Layout and time limits.
        rasps: Returns the installed rasps, keyed by (stack, slot).
        relays: Relays of the stacks.
        blackbox: Client that pings rasps.
        exporter_client: Client that reads aliases of rasps.
        ssh: Connections that run actions on rasps.
        poll_seconds: Interval between two checks of a rasp.
    """

    rack: Rack
    rasps: Callable[[], Mapping[tuple[int, int], Rasp]]
    relays: Relays
    blackbox: BlackboxClient
    exporter_client: ExporterClient
    ssh: SshPool
    poll_seconds: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        self.boot_limiter = BootLimiter(self.rack.orders.max_booting)
        self._threads = ThreadPoolExecutor(_MAX_THREADS, "orders")
        self._relay_thread = ThreadPoolExecutor(1, "relays")

    def installed_rasps(self, stack: Stack) -> list[tuple[Slot, Rasp]]:
        """Return the occupied slots of a stack with their rasps."""
        rasps = self.rasps()
        return [
            (slot, rasp)
            for slot in stack.slots
            if (rasp := rasps.get((slot.stack, slot.number))) is not None
        ]

    def booting_rasps(self, stack: Stack) -> int:
        """Return the number of rasps that boot when a stack is switched on."""
        return len(self.installed_rasps(stack)) or len(stack.slots)

    async def is_reachable(self, rasp: Rasp) -> bool | None:
        """Ping a rasp. Return None if blackbox_exporter is unavailable."""
        try:
            return await self.run_in_thread(self.blackbox.probe, rasp.address)
        except BlackboxUnavailableError:
            return None

    async def switch(
        self,
        power: Mapping[int, bool],
        *,
        at: float | None = None,
        on_again_at: float | None = None,
        cause: str,
    ) -> tuple[Edge, ...]:
        """Switch stacks as one, in a thread that does nothing else. See `Relays.switch`."""
        switch = partial(self.relays.switch, power, at=at, on_again_at=on_again_at, cause=cause)
        return await asyncio.get_running_loop().run_in_executor(self._relay_thread, switch)

    async def run_in_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run a blocking function in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """Wait for running functions, each of which has its own timeout."""
        self._threads.shutdown(cancel_futures=True)
        self._relay_thread.shutdown(cancel_futures=True)
