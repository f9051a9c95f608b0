"""The orders of a controller: taken, run side by side in a thread of their own, and kept."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from typing import Any

from controller.audit import Audit, Event
from controller.errors import NotCancellable, OrdersClosed
from controller.orders import power, rasps
from controller.orders.actions import Action, Actions, slots_of
from controller.orders.book import OrderBook, Search
from controller.orders.metrics import OrderMetrics
from controller.orders.order import Order, OrderState, Preview, Result, Wanted
from controller.orders.preview import preview
from controller.orders.run import Run, outcomes_of_rasps, outcomes_of_stacks
from controller.orders.site import Site
from controller.reservations import Claim, Reservations
from controller.state import RackState
from rack.errors import DatabaseError
from rack.layout import Slot, Stack

_QUICK_SECONDS = 20.0
_STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Orders:
    """Takes orders and sees to them. Safe to be called from several threads.

    It runs from `start` to `close`; orders are kept from before the one and after the other.

    Args:
        site: the rasps and relays.
        actions: what can be ordered.
        reservations: who has which stack.
        book: keeps the orders.
        audit: keeps who ordered what.
        metrics: counts them.
        state: how the rack is, for previews.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        site: Site,
        actions: Actions,
        reservations: Reservations,
        book: OrderBook,
        audit: Audit,
        metrics: OrderMetrics,
        state: Callable[[], RackState],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.actions = actions
        self._site = site
        self._reservations = reservations
        self._book = book
        self._audit = audit
        self._metrics = metrics
        self._state = state
        self._clock = clock
        self._lock = threading.Lock()
        self._newest = 0
        self._runs: dict[int, Run] = {}  # those that run, and those that could not be kept
        self._tasks: set[Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        self._is_open = False

    def start(self) -> None:
        """Begin to take orders; mark those that an earlier controller left open.

        Raises:
            DatabaseError: pirack.db cannot be used.
        """
        for order in self._book.interrupt(self._clock()):
            _log.warning("%s of %s was interrupted", order.title, order.who)
            self._record(order)
        self._newest = self._book.newest_id()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="orders")
        self._thread.start()
        self._is_open = True

    def close(self) -> None:
        """Take no more orders, and end those that run where they are: no relay moves by it."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
        if not was_open:
            return
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._site.close()

    def place(self, wanted: Wanted, who: str, origin: str) -> Order:
        """Take an order and begin with it; a quick one is over when this returns, as a rule.

        Args:
            wanted: what is to be done.
            who: a user, `token:NAME`, or whoever else gives orders.
            origin: the address that it came from; empty where it came from no other program.

        Raises:
            UnknownPlace: there is no such rasp or stack.
            UnknownAction: there is no such action, or not for these targets.
            StackBusy: another order, or an install, has one of the stacks.
            OrdersClosed: the relays cannot be driven, or the controller is about to end.
            DatabaseError: the order cannot be kept. Nothing was done then.
        """
        action = self.actions.choose(wanted)
        slots = slots_of(self._site.rack, wanted)
        stacks = _stacks(self._site, slots)
        if action.is_power and self._site.relays.trouble:
            raise OrdersClosed(self._site.relays.trouble)
        run, claim = self._begin(wanted, action, slots, stacks, who, origin)
        task = asyncio.run_coroutine_threadsafe(
            self._see_to(run, action, slots, stacks, claim), self._loop
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if action.is_quick:
            try:
                task.result(_QUICK_SECONDS)
            except StillRunning:
                _log.info("%s takes its time", run.order.title)
        return run.order

    def preview(self, wanted: Wanted) -> Preview:
        """Return what an order would take down, were it given now. Raises what `place` does."""
        action = self.actions.choose(wanted)
        return preview(self._state(), action, slots_of(self._site.rack, wanted), wanted)

    def cancel(self, number: int) -> Order:
        """Let an order begin nothing more; what it has begun goes to its end.

        Raises:
            UnknownOrder: there is no such order.
            NotCancellable: it is over.
        """
        run = self._runs.get(number)
        if run is None:
            raise NotCancellable(f"order {number} is over: it is {self._book.read(number).state}")

        async def cancel() -> bool:  # in the thread in which it may just be ending
            return run.cancel()

        if not asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(_STOP_SECONDS):
            raise NotCancellable(f"order {number} is over: it is {run.order.state}")
        return run.order

    def get(self, number: int) -> Order:
        """Return an order as it is now; UnknownOrder where there is none."""
        run = self._runs.get(number)
        return self._book.read(number) if run is None else run.order

    def newest(self, count: int, search: Search | None = None) -> list[Order]:
        """Return the newest orders that fit, the newest first."""
        found = self._book.newest(count, search)
        return [run.order if (run := self._runs.get(each.id)) else each for each in found]

    def _begin(
        self,
        wanted: Wanted,
        action: Action,
        slots: Sequence[Slot],
        stacks: Sequence[Stack],
        who: str,
        origin: str,
    ) -> tuple[Run, Claim]:
        with self._lock:
            if not self._is_open:
                raise OrdersClosed("the controller is about to end: ask again in a moment")
            number = self._newest + 1
            order = Order(
                id=number,
                wanted=wanted,
                targets=tuple(each.name for each in (stacks if action.is_power else slots)),
                who=who,
                origin=origin,
                began=self._clock(),
                outcomes=outcomes_of_stacks(stacks, self._site.rasps().keys())
                if action.is_power
                else outcomes_of_rasps(slots),
            )
            claimed = [] if action.is_quick else [stack.number for stack in stacks]
            claim = self._reservations.claim(claimed, order.title)
            try:
                self._book.write(order)
            except DatabaseError:
                claim.release()
                raise
            self._newest = number
            run = self._runs[number] = Run(order)
            self._metrics.began()
        return run, claim

    async def _see_to(
        self,
        run: Run,
        action: Action,
        slots: Sequence[Slot],
        stacks: Sequence[Stack],
        claim: Claim,
    ) -> None:
        wanted = run.order.wanted
        state, why = OrderState.DONE, ""
        try:
            if action.is_power:
                await power.run(self._site, run, action, stacks, force=wanted.force)
            else:
                await rasps.run(self._site, run, action, wanted.alias, slots)
            if run.is_cancelled:
                state = OrderState.CANCELLED
        except asyncio.CancelledError:
            state, why = OrderState.INTERRUPTED, "the controller ended before this order did"
        except Exception:  # noqa: BLE001 - whatever it was: an order ends
            _log.exception("%s failed", run.order.title)
            why = "the controller failed: see its log"
        finally:
            claim.release()
            await asyncio.to_thread(self._end, run.close(state, self._clock(), why))

    def _end(self, order: Order) -> None:
        self._metrics.ended(order)
        try:
            self._book.write(order)
        except DatabaseError as error:
            # It is shown as it ended as long as the controller runs.
            _log.error("%s ended, and cannot be kept: %s", order.title, error)
        else:
            del self._runs[order.id]
        self._record(order)

    def _record(self, order: Order) -> None:
        what = order.wanted.action + (f" {order.wanted.alias}" if order.wanted.alias else "")
        event = Event(
            who=order.who,
            origin=order.origin,
            what=f"{what} (force)" if order.wanted.force else what,
            targets=" ".join(order.targets),
            result=order.result or Result.UNKNOWN,
            detail=f"order {order.id}, {order.state}",
        )
        try:
            self._audit.record(event)
        except DatabaseError as error:
            _log.error("the audit cannot be kept: %s", error)

    async def _stop(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._site.ssh.close()

    def _await(self, todo: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(todo, self._loop).result(_STOP_SECONDS)
        except StillRunning:
            _log.warning("some orders did not end in %.0f s", _STOP_SECONDS)


def _stacks(site: Site, slots: Sequence[Slot]) -> list[Stack]:
    return [site.rack.stack(number) for number in sorted({slot.stack for slot in slots})]
