"""The orders of a controller: taken, run side by side in a thread of their own, and kept."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from typing import Any

from controller.audit import Audit, AuditEvent
from controller.errors import NotCancellableError, OrdersUnavailableError
from controller.orders import power_actions, rasp_actions
from controller.orders.actions import Action, Actions, slots_for_request
from controller.orders.context import OrderContext
from controller.orders.metrics import OrderMetrics
from controller.orders.model import Order, OrderRequest, OrderState, Preview, Result
from controller.orders.preview import preview
from controller.orders.store import OrderFilter, OrderStore
from controller.orders.tracker import OrderTracker, open_results_for_rasps, open_results_for_stacks
from controller.reservations import Claim, Reservations
from controller.state.model import RackState
from rack.errors import DatabaseError
from rack.layout import Slot, Stack

_SYNCHRONOUS_SECONDS = 20.0
_STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class OrderService:
    """Takes orders and sees to them. Safe to be called from several threads.

    It runs from `start` to `close`; orders are kept from before the one and after the other.

    Args:
        context: the rasps and relays.
        actions: what can be ordered.
        reservations: who has which stack.
        store: keeps the orders.
        audit: keeps who ordered what.
        metrics: counts them.
        read_state: how the rack is, for previews.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        context: OrderContext,
        actions: Actions,
        reservations: Reservations,
        store: OrderStore,
        audit: Audit,
        metrics: OrderMetrics,
        read_state: Callable[[], RackState],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.actions = actions
        self._context = context
        self._reservations = reservations
        self._store = store
        self._audit = audit
        self._metrics = metrics
        self._read_state = read_state
        self._clock = clock
        self._lock = threading.Lock()
        self._last_id = 0
        self._trackers: dict[
            int, OrderTracker
        ] = {}  # those that run, and those that could not be kept
        self._tasks: set[Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        self._accepts_orders = False

    def start(self) -> None:
        """Begin to take orders; mark those that an earlier controller left open.

        Raises:
            DatabaseError: pirack.db cannot be used.
        """
        for order in self._store.mark_interrupted(self._clock()):
            _log.warning("%s of %s was interrupted", order.title, order.actor)
            self._record_audit_event(order)
        self._last_id = self._store.newest_id()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="orders")
        self._thread.start()
        self._accepts_orders = True

    def close(self) -> None:
        """Take no more orders, and end those that run where they are: no relay moves by it."""
        with self._lock:
            was_open, self._accepts_orders = self._accepts_orders, False
        if not was_open:
            return
        self._run_on_loop(self._cancel_running())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._context.close()

    def submit(self, request: OrderRequest, actor: str, client_address: str) -> Order:
        """Take an order and begin with it; a quick one is over when this returns, as a rule.

        Args:
            request: what is to be done.
            actor: a user, `token:NAME`, or whoever else gives orders.
            client_address: the address that it came from; empty where it came from no other program.

        Raises:
            UnknownPlace: there is no such rasp or stack.
            UnknownAction: there is no such action, or not for these targets.
            StackBusy: another order, or an install, has one of the stacks.
            OrdersClosed: the relays cannot be driven, or the controller is about to end.
            DatabaseError: the order cannot be kept. Nothing was done then.
        """
        action = self.actions.resolve(request)
        slots = slots_for_request(self._context.rack, request)
        stacks = _stacks_of_slots(self._context, slots)
        if action.is_power and self._context.relays.error:
            raise OrdersUnavailableError(self._context.relays.error)
        run, claim = self._register(request, action, slots, stacks, actor, client_address)
        task = asyncio.run_coroutine_threadsafe(
            self._execute(run, action, slots, stacks, claim), self._loop
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if action.is_synchronous:
            try:
                task.result(_SYNCHRONOUS_SECONDS)
            except StillRunning:
                _log.info("%s takes its time", run.order.title)
        return run.order

    def preview(self, request: OrderRequest) -> Preview:
        """Return what an order would take down, were it given now. Raises what `place` does."""
        action = self.actions.resolve(request)
        return preview(
            self._read_state(), action, slots_for_request(self._context.rack, request), request
        )

    def cancel(self, number: int) -> Order:
        """Let an order begin nothing more; what it has begun goes to its end.

        Raises:
            UnknownOrder: there is no such order.
            NotCancellable: it is over.
        """
        run = self._trackers.get(number)
        if run is None:
            raise NotCancellableError(
                f"order {number} is over: it is {self._store.get(number).state}"
            )

        async def cancel() -> bool:  # in the thread in which it may just be ending
            return run.cancel()

        if not asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(_STOP_SECONDS):
            raise NotCancellableError(f"order {number} is over: it is {run.order.state}")
        return run.order

    def get(self, number: int) -> Order:
        """Return an order as it is now; UnknownOrder where there is none."""
        run = self._trackers.get(number)
        return self._store.get(number) if run is None else run.order

    def list_recent(self, limit: int, order_filter: OrderFilter | None = None) -> list[Order]:
        """Return the newest orders that fit, the newest first."""
        found = self._store.list_recent(limit, order_filter)
        return [run.order if (run := self._trackers.get(each.id)) else each for each in found]

    def _register(
        self,
        request: OrderRequest,
        action: Action,
        slots: Sequence[Slot],
        stacks: Sequence[Stack],
        actor: str,
        client_address: str,
    ) -> tuple[OrderTracker, Claim]:
        with self._lock:
            if not self._accepts_orders:
                raise OrdersUnavailableError(
                    "the controller is about to end: ask again in a moment"
                )
            number = self._last_id + 1
            order = Order(
                id=number,
                request=request,
                targets=tuple(each.name for each in (stacks if action.is_power else slots)),
                actor=actor,
                client_address=client_address,
                started_at=self._clock(),
                results=open_results_for_stacks(stacks, self._context.rasps().keys())
                if action.is_power
                else open_results_for_rasps(slots),
            )
            claimed = [] if action.is_synchronous else [stack.number for stack in stacks]
            claim = self._reservations.claim(claimed, order.title)
            try:
                self._store.save(order)
            except DatabaseError:
                claim.release()
                raise
            self._last_id = number
            run = self._trackers[number] = OrderTracker(order)
            self._metrics.started()
        return run, claim

    async def _execute(
        self,
        tracker: OrderTracker,
        action: Action,
        slots: Sequence[Slot],
        stacks: Sequence[Stack],
        claim: Claim,
    ) -> None:
        wanted = tracker.order.request
        state, why = OrderState.DONE, ""
        try:
            if action.is_power:
                await power_actions.switch_stacks(
                    self._context, tracker, action, stacks, force=wanted.force
                )
            else:
                await rasp_actions.run_on_rasps(self._context, tracker, action, wanted.alias, slots)
            if tracker.is_cancelled:
                state = OrderState.CANCELLED
        except asyncio.CancelledError:
            state, why = OrderState.INTERRUPTED, "the controller ended before this order did"
        except Exception:  # noqa: BLE001 - whatever it was: an order ends
            _log.exception("%s failed", tracker.order.title)
            why = "the controller failed: see its log"
        finally:
            claim.release()
            await asyncio.to_thread(self._finish, tracker.finish(state, self._clock(), why))

    def _finish(self, order: Order) -> None:
        self._metrics.finished(order)
        try:
            self._store.save(order)
        except DatabaseError as error:
            # It is shown as it ended as long as the controller runs.
            _log.error("%s ended, and cannot be kept: %s", order.title, error)
        else:
            del self._trackers[order.id]
        self._record_audit_event(order)

    def _record_audit_event(self, order: Order) -> None:
        what = order.request.action + (f" {order.request.alias}" if order.request.alias else "")
        event = AuditEvent(
            actor=order.actor,
            client_address=order.client_address,
            action=f"{what} (force)" if order.request.force else what,
            targets=" ".join(order.targets),
            result=order.result or Result.UNKNOWN,
            detail=f"order {order.id}, {order.state}",
        )
        try:
            self._audit.record(event)
        except DatabaseError as error:
            _log.error("the audit cannot be kept: %s", error)

    async def _cancel_running(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._context.ssh.close()

    def _run_on_loop(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_STOP_SECONDS)
        except StillRunning:
            _log.warning("some orders did not end in %.0f s", _STOP_SECONDS)


def _stacks_of_slots(context: OrderContext, slots: Sequence[Slot]) -> list[Stack]:
    return [context.rack.stack(number) for number in sorted({slot.stack for slot in slots})]
