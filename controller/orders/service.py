"""Submission, execution and storage of orders."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from dataclasses import replace
from typing import Any

from controller.audit import Audit, AuditEvent
from controller.claims import Claim, StackClaims
from controller.errors import NotCancellableError, OrdersUnavailableError
from controller.orders.actions import Actions
from controller.orders.context import OrderContext
from controller.orders.metrics import OrderMetrics
from controller.orders.model import (
    Order,
    OrderRequest,
    OrderState,
    OrderSummary,
    PowerTiming,
    Preview,
    Result,
    TargetResult,
)
from controller.orders.operations import operations_of
from controller.orders.plan import OrderPlan, make_plan, require_timing_possible
from controller.orders.power_actions import switch_power
from controller.orders.preview import preview
from controller.orders.rasp_actions import run_on_rasps
from controller.orders.store import INTERRUPTED_REASON, OrderFilter, OrderStore
from controller.orders.tracker import OrderTracker
from controller.state.model import RackState
from rack.errors import DatabaseError
from rack.layout import Rack
from rack.power.edges import PowerEdges
from rack.targets import printed_name, search_text

_SYNCHRONOUS_SECONDS = 20.0
_STOP_SECONDS = 10.0
_MAX_RECENTLY_ENDED = 3

_log = logging.getLogger(__name__)


class OrderService:
    """Service that runs orders concurrently in one thread. Thread-safe.

    Orders run from `start` to `close`. Stored orders can be read at any time.

    Args:
        context: Access to the rasps and outlets.
        actions: Available actions.
        claims: Claims of stacks, shared with installs.
        store: Storage of orders.
        audit: Audit log.
        metrics: Metrics of orders.
        read_state: Returns the state of the rack, for previews.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        context: OrderContext,
        actions: Actions,
        claims: StackClaims,
        store: OrderStore,
        audit: Audit,
        metrics: OrderMetrics,
        read_state: Callable[[], RackState],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.actions = actions
        self._context = context
        self._claims = claims
        self._store = store
        self._audit = audit
        self._metrics = metrics
        self._read_state = read_state
        self._clock = clock
        self._lock = threading.Lock()
        self._last_id = 0
        # Running orders, and finished orders that could not be saved.
        self._trackers: dict[int, OrderTracker] = {}
        self._recently_ended: tuple[OrderSummary, ...] = ()
        self._tasks: set[Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        self._accepts_orders = False

    @property
    def rack(self) -> Rack:
        """Layout of the rack."""
        return self._context.rack

    @property
    def power_edges(self) -> PowerEdges:
        """Stored changes of power."""
        return self._context.outlets.edges

    @property
    def recently_ended(self) -> tuple[OrderSummary, ...]:
        """The last orders that ended since the start, newest first."""
        return self._recently_ended

    def start(self) -> None:
        """Mark unfinished orders of an earlier controller as interrupted, then accept orders.

        Raises:
            DatabaseError: If pirack.db cannot be used.
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
        """Reject new orders and interrupt running orders. No outlet is switched."""
        with self._lock:
            was_open, self._accepts_orders = self._accepts_orders, False
        if not was_open:
            return
        self._run_on_loop(self._cancel_running())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._context.close()

    def plan(self, request: OrderRequest) -> OrderPlan:
        """Resolve the action and the targets of a request.

        Raises:
            InvalidActionError: If the action is unknown or not allowed for these targets.
            UnknownTargetError: If a rasp or a stack does not exist.
        """
        return make_plan(request, self.actions, self._context.rack)

    def preview(self, plan: OrderPlan) -> Preview:
        """Return the effects that an order would have now."""
        outlets = [outlet for group in plan.groups for outlet in group.outlets]
        return preview(plan, self._read_state(), self._context.known_problems(outlets))

    def submit(self, request: OrderRequest, actor: str, client_address: str) -> Order:
        """Plan and start an order. See `plan` and `submit_plan`."""
        return self.submit_plan(self.plan(request), actor, client_address)

    def submit_plan(
        self,
        plan: OrderPlan,
        actor: str,
        client_address: str,
        *,
        timing: PowerTiming | None = None,
        owner: str = "",
    ) -> Order:
        """Start an order. If its action is synchronous, wait for its results.

        Args:
            plan: Result of `plan`.
            actor: User, `token:NAME`, `remediation:ALERT`, `experiment RUN` or `power return`.
            client_address: Address of the client, empty if there is none.
            timing: Times of a planned power cycle.
            owner: Owner of the reservation that the order uses, the actor by default.

        Raises:
            InvalidActionError: If the order cannot keep `timing`.
            StackBusyError: If another order or an install uses a stack.
            StackReservedError: If a stack is reserved for another owner.
            OrdersUnavailableError: If none of the outlets can be used on this machine, or the
                controller is stopping.
            DatabaseError: If the order cannot be saved. Nothing was started.
        """
        errors = [
            self._context.outlets.error(outlet) for group in plan.groups for outlet in group.outlets
        ]
        if errors and all(errors):
            raise OrdersUnavailableError(errors[0])
        if timing is not None:
            settings = self._context.rack.orders
            require_timing_possible(plan, self._context.rasps(), settings.max_booting)
        tracker, claim = self._register(plan, actor, client_address, timing, owner or actor)
        task = asyncio.run_coroutine_threadsafe(self._execute(tracker, claim), self._loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if plan.action.is_synchronous:
            try:
                task.result(_SYNCHRONOUS_SECONDS)
            except StillRunning:
                _log.info("%s still runs after %.0f s", tracker.order.title, _SYNCHRONOUS_SECONDS)
        return tracker.order

    def cancel(self, number: int) -> Order:
        """Cancel an order. Running steps are completed.

        Raises:
            UnknownOrderError: If the order does not exist.
            NotCancellableError: If the order has finished.
        """
        tracker = self._trackers.get(number)
        if tracker is None:
            raise NotCancellableError(f"order {number} is already {self._store.get(number).state}")

        async def cancel() -> bool:  # in the thread of the orders, in which the order may finish
            return tracker.cancel()

        if not asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(_STOP_SECONDS):
            raise NotCancellableError(f"order {number} is already {tracker.order.state}")
        return tracker.order

    def get(self, number: int) -> Order:
        """Return the current snapshot of an order.

        Raises:
            UnknownOrderError: If the order does not exist.
        """
        tracker = self._trackers.get(number)
        return self._store.get(number) if tracker is None else tracker.order

    def list_recent(
        self, limit: int, order_filter: OrderFilter | None = None
    ) -> list[OrderSummary]:
        """Return the matching orders without their results, newest first.

        The filters `target` and `text` also accept other forms of a name, such as `3/2`.
        """
        if order_filter is not None:
            order_filter = self._with_printed_names(order_filter)
        return self._current(self._store.list_recent(limit, order_filter))

    def list_between(self, start: float, end: float, limit: int) -> list[OrderSummary]:
        """Return the newest orders of a time. See `OrderStore.list_between`."""
        return self._current(self._store.list_between(start, end, limit))

    def _current(self, stored: Iterable[OrderSummary]) -> list[OrderSummary]:
        """Return the current version of stored orders."""
        return [
            tracker.order.summary if (tracker := self._trackers.get(order.id)) else order
            for order in stored
        ]

    def _with_printed_names(self, order_filter: OrderFilter) -> OrderFilter:
        target, text = order_filter.target, order_filter.text
        return replace(
            order_filter,
            target=None if target is None else printed_name(self.rack, target),
            text=None if text is None else search_text(self.rack, text),
        )

    def _register(
        self,
        plan: OrderPlan,
        actor: str,
        client_address: str,
        timing: PowerTiming | None,
        owner: str,
    ) -> tuple[OrderTracker, Claim]:
        """Claim the stacks of an order and save it."""
        with self._lock:
            if not self._accepts_orders:
                raise OrdersUnavailableError("the controller is stopping: retry in a moment")
            order = Order(
                id=self._last_id + 1,
                request=plan.request,
                targets=plan.targets,
                actor=actor,
                client_address=client_address,
                started_at=self._clock(),
                results=plan.open_results(self._context.rasps().keys()),
            )
            tracker = OrderTracker(order, plan, timing)
            stacks = [] if plan.action.is_synchronous else [stack.number for stack in plan.stacks]
            claim = self._claims.claim(
                stacks, order.title, owner, lambda: operations_of(tracker.order, self.rack)
            )
            try:
                self._store.save(order)
            except DatabaseError:
                claim.release()
                raise
            self._last_id = order.id
            self._trackers[order.id] = tracker
            self._metrics.started()
        return tracker, claim

    async def _execute(self, tracker: OrderTracker, claim: Claim) -> None:
        state, reason = OrderState.DONE, ""
        started = self._loop.time()  # the clock of the order's times may be set in the meantime
        try:
            if tracker.plan.action.is_power:
                await switch_power(self._context, tracker)
            else:
                await run_on_rasps(self._context, tracker)
                await self._explain_wrong_clocks(tracker)
            if tracker.is_cancelled:
                state = OrderState.CANCELLED
        except asyncio.CancelledError:
            state, reason = OrderState.INTERRUPTED, INTERRUPTED_REASON
        except Exception:  # noqa: BLE001 - the order must finish after any error
            _log.exception("%s failed", tracker.order.title)
            reason = "internal error, see the log of the controller"
        finally:
            claim.release()
            order = tracker.end(state, self._clock(), reason)
            # Programs that see the order finished find its audit event.
            await asyncio.to_thread(self._save_end, order, self._loop.time() - started)
            tracker.publish(order)
            self._recently_ended = (order.summary, *self._recently_ended)[:_MAX_RECENTLY_ENDED]

    async def _explain_wrong_clocks(self, tracker: OrderTracker) -> None:
        """Add a note to the output of each rasp whose clock is off."""
        if not any(result.output for result in tracker.order.results):
            return
        try:
            rasps = (await asyncio.to_thread(self._read_state)).rasps
        except DatabaseError as error:
            _log.warning("the clocks of the rasps are unknown: %s", error)
            return

        def note(result: TargetResult) -> str:
            difference = rasps[result.id - 1].clock_difference if result.output else ""
            return difference and f"the clock of this rasp is {difference}"

        tracker.add_to_details(note)

    def _save_end(self, order: Order, seconds: float) -> None:
        self._record_audit_event(order)
        self._metrics.finished(order, seconds)
        try:
            self._store.save(order)
        except DatabaseError as error:
            # The tracker stays, so that the result can be read until the controller stops.
            _log.error("%s finished, but its result could not be saved: %s", order.title, error)
        else:
            del self._trackers[order.id]

    def _record_audit_event(self, order: Order) -> None:
        request = order.request
        event = AuditEvent(
            actor=order.actor,
            client_address=order.client_address,
            action=request.action
            + (f" {request.alias}" if request.alias else "")
            + (" (force)" if request.force else ""),
            targets=" ".join(order.targets),
            result=order.result or Result.UNKNOWN,
            detail=f"order {order.id}, {order.state}",
        )
        try:
            self._audit.record(event)
        except DatabaseError as error:
            _log.error("the audit log cannot be written: %s", error)

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
            _log.warning("some orders did not stop within %.0f s", _STOP_SECONDS)
