"""Find what caused changes of power and of states: an order, an install or a run."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from controller.activity.model import Event
from controller.experiments.model import run_of_actor
from controller.orders.model import OrderSummary, power_edge_cause
from dhcp_installer.install.journal import InstallRecord
from rack.layout import Rack
from rack.power.edges import INSTALL_CAUSE, Edge

RECORDING_SECONDS = 15.0
"""Seconds by which the recorded time of a change can differ from the true time."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What caused something, and who started that. Unknown values are empty."""

    name: str = ""
    actor: str = ""

    @classmethod
    def of_install(cls, record: InstallRecord) -> "Origin":
        """Return the origin of what an install changes."""
        return cls(record.title, record.actor)


class Origins:
    """Origins of orders and of power edges.

    Args:
        orders: Orders of the time in question.
        installs: Installs of the time in question.
    """

    def __init__(self, orders: Iterable[OrderSummary], installs: Iterable[InstallRecord]) -> None:
        self._by_edge_cause = {power_edge_cause(order.id): _origin(order) for order in orders}
        self._installs = sorted(installs, key=lambda record: record.started_at, reverse=True)

    def of_order(self, number: int) -> Origin:
        """Return the order itself or, for an order of an experiment, the run."""
        name = power_edge_cause(number)
        return self._by_edge_cause.get(name, Origin(name))

    def of_edge(self, edge: Edge) -> Origin:
        """Return the order, the run or the install that switched an outlet.

        Edges of orders name their order. Edges of installs do not, but only one install can run.
        """
        if edge.cause != INSTALL_CAUSE:
            return self._by_edge_cause.get(edge.cause, Origin(edge.cause))
        for record in self._installs:
            if record.started_at <= edge.time:
                return Origin.of_install(record)
        return Origin(edge.cause)


@dataclass(frozen=True, slots=True)
class _Span:
    """A time in which an origin changes the state of a rasp, or of all rasps of a stack."""

    origin: Origin
    start: float
    end: float
    rasp: str | None = None


class StateCauses:
    """Causes of changes of the states of rasps.

    A state changes because of the latest order, install or power edge that concerns the rasp and
    started before, until the rasp has had time to boot after its end.

    Args:
        rack: Layout of the rack.
        origins: Origins of the orders and edges.
        disruptive: Names of the actions that take rasps down.
    """

    def __init__(self, rack: Rack, origins: Origins, disruptive: Collection[str]) -> None:
        self._rack = rack
        self._origins = origins
        self._disruptive = disruptive
        self._spans: defaultdict[int, list[_Span]] = defaultdict(list)  # keyed by stack

    def add(
        self,
        orders: Iterable[OrderSummary],
        edges: Iterable[Edge],
        installs: Iterable[InstallRecord],
    ) -> None:
        """Add orders, power edges and installs."""
        for order in orders:
            if order.request.action in self._disruptive:
                origin = self._origins.of_order(order.id)
                self._add(origin, order.started_at, order.finished_at, *order_places(order))
        for edge in edges:
            self._add(self._origins.of_edge(edge), edge.time, edge.time, *edge_places(edge))
        for record in installs:
            stacks = () if record.targets else [stack.number for stack in self._rack.stacks]
            origin = Origin.of_install(record)
            self._add(origin, record.started_at, record.ended_at, stacks, record.targets)

    def with_cause(self, event: Event) -> Event:
        """Return a change of the state of a rasp with its cause and actor, if they are known."""
        [rasp] = event.rasps
        settle_seconds = self._rack.orders.boot_seconds + RECORDING_SECONDS
        spans = [
            span
            for span in self._spans[stack_of(rasp)]
            if span.start <= event.time <= span.end + settle_seconds and span.rasp in {None, rasp}
        ]
        if not spans:
            return event
        origin = max(spans, key=lambda span: span.start).origin
        return replace(event, cause=origin.name, actor=origin.actor)

    def _add(
        self,
        origin: Origin,
        start: float,
        end: float | None,
        stacks: Sequence[int],
        rasps: Sequence[str],
    ) -> None:
        """Add a span for each stack and rasp. The end is None while the origin goes on."""
        until = math.inf if end is None else end
        for stack in stacks:
            self._spans[stack].append(_Span(origin, start, until))
        for rasp in rasps:
            self._spans[stack_of(rasp)].append(_Span(origin, start, until, rasp))


def order_places(order: OrderSummary) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the numbers of the stacks and the names of the single rasps of an order."""
    if order.request.scope == "rasps":
        return (), order.targets
    return tuple(sorted({stack_of(name) for name in order.targets})), ()


def edge_places(edge: Edge) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the number of the stack or the name of the rasp that an edge concerns."""
    return ((edge.stack,), ()) if edge.slot is None else ((), (edge.name,))


def stack_of(name: str) -> int:
    """Return the number of a stack or of the stack of a rasp: 3 for `03` and for `03-2`."""
    return int(name.partition("-")[0])


def _origin(order: OrderSummary) -> Origin:
    run = run_of_actor(order.actor)
    return Origin(power_edge_cause(order.id) if run is None else f"run {run}", order.actor)
