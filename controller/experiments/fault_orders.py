"""Inject faults with orders, and record their edges of power and their results."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from controller.errors import NotCancellableError
from controller.experiments.metrics import ExperimentMetrics
from controller.experiments.model import EventKind, actor_of_run
from controller.experiments.plan import PlannedFault
from controller.experiments.plan_checks import REBOOT
from controller.experiments.recorder import RunRecorder
from controller.orders.actions import POWER_CYCLE
from controller.orders.model import (
    Order,
    OrderRequest,
    PowerTiming,
    Result,
    Scope,
    power_edge_cause,
)
from controller.orders.service import OrderService
from rack.layout import Rack
from rack.power.edges import Edge

_MAX_EDGES = 10_000


@dataclass(frozen=True, slots=True)
class RunningOrder:
    """An order of a run.

    Attributes:
        order: Id of the order.
        fault: Number of the fault, or None for the other orders of a run.
        deadline: Seconds since the boot of the master at which its rasps must have booted.
    """

    order: int
    fault: int | None
    deadline: float


def order_requests(fault: PlannedFault, rack: Rack) -> Iterator[OrderRequest]:
    """Yield the orders that inject a fault whose place is known.

    A fault that cuts power has an order for the whole stacks, and one for the single rasps that
    have an outlet to themselves. All other faults have one order.
    """
    if fault.seconds_off is None:
        action = REBOOT if fault.kind == "reboot" else fault.action
        yield OrderRequest(action, "rasps", slot_ids(rack, fault.rasps))
        return
    is_forced = fault.kind == "power"
    names = set(fault.rasps)
    whole = tuple(
        number
        for number in fault.stacks
        if names.issuperset(slot.name for slot in rack.stack(number).slots)
    )
    if whole:
        yield OrderRequest(POWER_CYCLE, "stacks", whole, force=is_forced)
    rasps = tuple(slot.id for slot in rack.slots if slot.name in names and slot.stack not in whole)
    if rasps:
        yield OrderRequest(POWER_CYCLE, "rasps", rasps, force=is_forced)


def slot_ids(rack: Rack, names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the ids of slots with these names."""
    wanted = set(names)
    return tuple(slot.id for slot in rack.slots if slot.name in wanted)


class FaultOrders:
    """The orders of a run.

    Args:
        orders: Submits the orders.
        recorder: Records what happens.
        owner: Owner of the reservation.
        metrics: Counts faults and edges.
    """

    def __init__(
        self,
        orders: OrderService,
        recorder: RunRecorder,
        owner: str,
        metrics: ExperimentMetrics,
    ) -> None:
        self._orders = orders
        self._recorder = recorder
        self._owner = owner
        self._metrics = metrics
        self._running: list[RunningOrder] = []
        self._injected: set[tuple[int, Scope]] = set()  # numbers of faults, scopes of orders
        self._recorded: set[tuple[EventKind, int]] = set()  # kinds of events of edges

    @property
    def is_idle(self) -> bool:
        """Whether all orders have finished."""
        return not self._running

    def inject(self, fault: PlannedFault, at: float, boot_within: float) -> None:
        """Submit the orders of a fault. After an error, the next call submits those that lack.

        Args:
            fault: The fault, whose place is known.
            at: Planned time, in seconds since the boot of the master.
            boot_within: Seconds in which its rasps must reply after its end.

        Raises:
            StackBusyError: If another order holds a stack.
            PiRackError: If the order is rejected.
        """
        timing = None if fault.seconds_off is None else PowerTiming(fault.seconds_off, at)
        for request in order_requests(fault, self._orders.rack):
            if (fault.number, request.scope) not in self._injected:
                self.submit(
                    request,
                    fault=fault.number,
                    timing=timing,
                    deadline=at + (fault.seconds_off or 0.0) + boot_within,
                )
                self._injected.add((fault.number, request.scope))
        self._metrics.injected(fault.kind)

    def submit(
        self,
        request: OrderRequest,
        *,
        fault: int | None = None,
        timing: PowerTiming | None = None,
        deadline: float = math.inf,
        owner: str = "",
    ) -> None:
        """Submit an order of the run, by default for the owner of its reservation.

        Raises the errors of `OrderService.submit_plan`.
        """
        actor = actor_of_run(self._recorder.run.id)
        order = self._orders.submit_plan(
            self._orders.plan(request), actor, "", timing=timing, owner=owner or self._owner
        )
        self._running.append(RunningOrder(order.id, fault, deadline))
        targets = ", ".join(order.targets)
        self._recorder.add(EventKind.ORDER, f"{order.title} on {targets}", fault=fault)

    def collect(self, now: float) -> str:
        """Record what the orders did since the last call. Return the first failure, or empty.

        Args:
            now: Seconds since the boot of the master.
        """
        problem = ""
        for running in list(self._running):
            order = self._orders.get(running.order)
            self._record_edges(running)  # after an order that is over, there are no further ones
            if order.state.is_over:
                self._running.remove(running)
                problem = problem or self._record_result(order, running)
            elif now > running.deadline:
                problem = problem or f"{order.title}: {_waiting(order)} within abort.boot_within"
        return problem

    def cancel(self) -> None:
        """Cancel all orders. An order that has cut the power switches it on again."""
        for running in self._running:
            try:
                self._orders.cancel(running.order)
            except NotCancellableError:
                continue

    def _record_result(self, order: Order, running: RunningOrder) -> str:
        for result in order.results:
            if result.result is not Result.OK:
                text = f"{order.title}: {result.target}: {result.detail or result.result}"
                self._recorder.add(EventKind.WARNING, text, fault=running.fault)
        failed = [each for each in order.results if each.result is Result.FAILED]
        return f"{order.title}: {failed[0].target}: {failed[0].detail}" if failed else ""

    def _record_edges(self, running: RunningOrder) -> None:
        cause = power_edge_cause(running.order)
        edges = self._orders.power_edges.list_recent(_MAX_EDGES, cause=cause)
        for edge in reversed(edges):
            self._record_edge(edge, running.fault)

    def _record_edge(self, edge: Edge, fault: int | None) -> None:
        name = f"stack {edge.name}" if edge.slot is None else edge.name
        place: dict[str, Any] = {
            "stack": edge.stack,
            "rasp": None if edge.slot is None else edge.name,
        }
        if edge.after is not None and self._is_new(EventKind.EDGE, edge):
            self._metrics.switched(edge)
            self._recorder.add(
                EventKind.EDGE,
                f"{name} is {'on' if edge.is_on else 'off'}",
                moment=edge.after,
                fault=fault,
                **place,
                is_on=edge.is_on,
                planned=edge.planned.monotonic,
                before=edge.before.monotonic if edge.before else None,
                after=edge.after.monotonic,
            )
        for kind, moment, text in (
            (EventKind.SILENCE, edge.first_silence, "does not answer"),
            (EventKind.ANSWER, edge.first_answer, "answers again"),
        ):
            if moment is not None and self._is_new(kind, edge):
                self._recorder.add(kind, f"{name} {text}", moment=moment, fault=fault, **place)

    def _is_new(self, kind: EventKind, edge: Edge) -> bool:
        """Return whether an event of an edge is not recorded yet, and note it as recorded."""
        key = (kind, edge.id)
        is_new = key not in self._recorded
        self._recorded.add(key)
        return is_new


def _waiting(order: Order) -> str:
    names = [each.target for each in order.results if each.kind == "rasp" and each.result is None]
    return f"{', '.join(names)} did not reply" if names else "it did not finish"
