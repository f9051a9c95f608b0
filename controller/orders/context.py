"""Access of orders to the rasps and outlets."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from controller.orders.blackbox_client import BlackboxClient, BlackboxUnavailableError
from controller.orders.exporter_client import ExporterClient
from controller.orders.power_group import PowerGroup
from controller.ssh.pool import SshPool
from rack.errors import PiRackError
from rack.inventory import Rasp
from rack.layout import Outlet, Rack, Slot
from rack.power.edges import Edge, SwitchError
from rack.power.outlets import Outlets

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


@dataclass(frozen=True, slots=True)
class Switched:
    """Outlets after a command.

    Args:
        edges: Changes of power, in the order of their ids.
        problems: Problem of each outlet that was not switched.
    """

    edges: tuple[Edge, ...]
    problems: Mapping[Outlet, str]


@dataclass
class OrderContext:
    """The rack, its outlets and the clients that all orders use.

    Args:
        rack: Layout and time limits.
        rasps: Returns the installed rasps, keyed by (stack, slot).
        outlets: Outlets of the stacks and rasps.
        blackbox: Client that pings rasps.
        exporter_client: Client that reads aliases of rasps.
        ssh: Connections that run actions on rasps.
        poll_seconds: Interval between two checks of a rasp.
    """

    rack: Rack
    rasps: Callable[[], Mapping[tuple[int, int], Rasp]]
    outlets: Outlets
    blackbox: BlackboxClient
    exporter_client: ExporterClient
    ssh: SshPool
    poll_seconds: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        self.boot_limiter = BootLimiter(self.rack.orders.max_booting)
        self._threads = ThreadPoolExecutor(_MAX_THREADS, "orders")
        # A power source that is slow does not hold up the others.
        self._source_threads = {
            source: ThreadPoolExecutor(1, f"outlets of {source}")
            for source in sorted({outlet.source for outlet in self.rack.outlets})
        }
        self._refreshes: dict[str, asyncio.Task[object]] = {}

    def installed_rasps(self, slots: Iterable[Slot]) -> list[tuple[Slot, Rasp]]:
        """Return those slots that are occupied with their rasps."""
        rasps = self.rasps()
        return [
            (slot, rasp)
            for slot in slots
            if (rasp := rasps.get((slot.stack, slot.number))) is not None
        ]

    def booting_rasps(self, group: PowerGroup, outlets: Iterable[Outlet]) -> int:
        """Return the number of rasps that boot when outlets of a group are switched on."""
        return group.booting_rasps(outlets, self.rasps().keys())

    async def is_reachable(self, rasp: Rasp) -> bool | None:
        """Ping a rasp. Return None if blackbox_exporter is unavailable."""
        try:
            return await self.run_in_thread(self.blackbox.probe, rasp.address)
        except BlackboxUnavailableError:
            return None

    async def problems_of(self, outlets: Iterable[Outlet]) -> dict[Outlet, str]:
        """Return why outlets cannot be switched now, for those of which this is known.

        Outlets whose last reading failed are read again.

        Raises:
            PiRackError: If the readings cannot be saved.
        """
        outlets = list(outlets)
        unreadable = {outlet.source for outlet in outlets if self._reading_error(outlet)}
        await asyncio.gather(*map(self._refresh, sorted(unreadable)))
        return self.known_problems(outlets)

    def known_problems(self, outlets: Iterable[Outlet]) -> dict[Outlet, str]:
        """Return why outlets cannot be switched, by their last readings."""
        problems = {
            outlet: self.outlets.error(outlet) or self._reading_error(outlet) for outlet in outlets
        }
        return {outlet: problem for outlet, problem in problems.items() if problem}

    async def switch(
        self,
        outlets: Iterable[Outlet],
        *,
        is_on: bool,
        at: float | None = None,
        on_again_at: float | None = None,
        cause: str,
    ) -> Switched:
        """Switch outlets as one, each power source in a thread of its own. See `Outlets.switch`.

        An error of one power source does not affect the others.
        """
        by_source: dict[str, list[Outlet]] = {}
        for outlet in outlets:
            by_source.setdefault(outlet.source, []).append(outlet)
        results = await asyncio.gather(
            *(
                self._switch_source(
                    source,
                    partial(
                        self.outlets.switch,
                        dict.fromkeys(group, is_on),
                        at=at,
                        on_again_at=on_again_at,
                        cause=cause,
                    ),
                    group,
                )
                for source, group in by_source.items()
            )
        )
        edges = sorted((edge for each in results for edge in each.edges), key=lambda edge: edge.id)
        problems = {
            outlet: problem for each in results for outlet, problem in each.problems.items()
        }
        return Switched(tuple(edges), problems)

    async def run_in_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run a blocking function in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """Wait for running functions, each of which has its own timeout."""
        self._threads.shutdown(cancel_futures=True)
        for thread in self._source_threads.values():
            thread.shutdown(cancel_futures=True)

    async def _switch_source(
        self, source: str, switch: Callable[[], tuple[Edge, ...]], outlets: list[Outlet]
    ) -> Switched:
        try:
            return Switched(await self._run_for_source(source, switch), {})
        except SwitchError as error:
            return Switched(error.edges, error.problems)
        except PiRackError as error:
            return Switched((), dict.fromkeys(outlets, str(error)))

    async def _refresh(self, source: str) -> None:
        """Read a power source. Orders that need it at the same time share the reading."""
        if source not in self._refreshes or self._refreshes[source].done():
            self._refreshes[source] = asyncio.create_task(
                self._run_for_source(source, partial[object](self.outlets.refresh, source))
            )
        await asyncio.shield(self._refreshes[source])

    async def _run_for_source(self, source: str, function: Callable[[], _Result]) -> _Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._source_threads[source], function)

    def _reading_error(self, outlet: Outlet) -> str:
        reading = self.outlets.readings.get(outlet)
        return "" if reading is None else reading.error
