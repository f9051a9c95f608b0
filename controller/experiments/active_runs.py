"""The unfinished runs, each in a thread of its own."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from controller.errors import RunConflictError
from controller.experiments.client_link import ClientLink
from controller.experiments.clocks import ClockOffset, RaspClocks
from controller.experiments.energy import MeasureOutlets
from controller.experiments.engine import RunEngine, RunEnvironment
from controller.experiments.fault_orders import FaultOrders
from controller.experiments.metrics import ExperimentMetrics
from controller.experiments.model import Run
from controller.experiments.plan import Plan
from controller.experiments.recorder import RunRecorder
from controller.experiments.run_reservation import RunReservation
from controller.experiments.store import RunStore
from controller.orders.service import OrderService
from controller.reservations.model import Reservation
from controller.state.model import RackState
from controller.state.prometheus import Prometheus
from rack.clock import Moment
from rack.errors import PiRackError
from rack.layout import Slot

_STOP_SECONDS = 5.0
_CLOCK_ERROR_SECONDS = 0.25  # without a bound, this takes about one second
_ERRORS_PER_BOUND = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunTools:
    """What all runs use.

    Attributes:
        orders: Submits the orders of runs.
        store: Stores runs.
        prometheus: Answers PromQL.
        read_state: Returns the state of the rack.
        now: Returns the current time on both clocks of the master.
        clocks: Measures the clocks of rasps.
        clock: Returns monotonic seconds, for leases.
        measure_outlets: Reads outlets within seconds, and returns their energy.
    """

    orders: OrderService
    store: RunStore
    prometheus: Prometheus
    read_state: Callable[[], RackState]
    now: Callable[[], Moment]
    clocks: RaspClocks
    clock: Callable[[], float]
    measure_outlets: MeasureOutlets


@dataclass(frozen=True)
class ActiveRun:
    """A run that goes on: its current version, its client and its thread."""

    recorder: RunRecorder
    link: ClientLink
    thread: threading.Thread


class ActiveRuns:
    """The runs that go on. Thread-safe. No run is accepted until `accept`.

    Args:
        tools: What all runs use.
        registry: Registry of the controller.
    """

    def __init__(self, tools: RunTools, registry: CollectorRegistry) -> None:
        self._tools = tools
        self._lock = threading.Lock()
        self._runs: dict[int, ActiveRun] = {}
        self._accepts_runs = False
        self._metrics = ExperimentMetrics(registry, tools.orders.rack, self.by_stack)

    def accept(self) -> None:
        """Accept runs from now on."""
        self._accepts_runs = True

    def close(self) -> None:
        """Reject new runs and end the active ones. Orders must still be accepted."""
        with self._lock:
            self._accepts_runs = False
            active = list(self._runs.values())
        for run in active:
            run.link.stop("the controller is stopping")
        for run in active:
            run.thread.join(_STOP_SECONDS)

    def get(self, number: int) -> ActiveRun | None:
        """Return a run, or None if it does not go on."""
        return self._runs.get(number)

    def by_stack(self) -> Mapping[int, int]:
        """Return the id of the run that uses a stack, keyed by stack number."""
        return {
            stack: number
            for number, active in list(self._runs.items())
            for stack in active.recorder.run.plan.stacks
        }

    def end_runs_of(self, reservation: Reservation) -> bool:
        """End the runs of a reservation that ends. Return whether they have ended."""
        runs = [
            active
            for active in list(self._runs.values())
            if active.recorder.run.reservation == reservation.id
        ]
        for active in runs:
            active.link.stop(f"{reservation.title} has ended")
        return not runs

    @contextmanager
    def admission(self, plan: Plan) -> Iterator[None]:
        """Keep the stacks of a plan free for the run that is started in this context.

        Raises:
            RunConflictError: If another run uses one of them, or the controller is stopping.
        """
        with self._lock:
            self._require_free(plan)
            yield

    def start(self, run: Run, reservation: RunReservation) -> None:
        """Start the thread of a run, in the context of its admission."""
        tools = self._tools
        recorder = RunRecorder(run, tools.store, tools.now)
        link = ClientLink(tools.clock)
        environment = RunEnvironment(
            tools.orders.rack,
            tools.read_state,
            tools.prometheus,
            tools.now,
            reservation,
            self._measure_clocks,
            lambda: not self._accepts_runs,
            tools.measure_outlets,
        )
        orders = FaultOrders(tools.orders, recorder, run.actor, self._metrics)
        engine = RunEngine(environment, recorder, orders, link)
        started = tools.clock()

        def execute() -> None:
            try:
                engine.run()
            finally:
                self._metrics.finished(recorder.run, tools.clock() - started)
                _release(reservation, run)
                with self._lock:
                    del self._runs[run.id]

        thread = threading.Thread(target=execute, name=f"run {run.id}")
        self._runs[run.id] = ActiveRun(recorder, link, thread)
        thread.start()

    def _require_free(self, plan: Plan) -> None:
        if not self._accepts_runs:
            raise RunConflictError("the controller is stopping: retry in a moment")
        in_use = self.by_stack()
        for stack in plan.stacks:
            if stack in in_use:
                raise RunConflictError(
                    f"stack {stack} is used by run {in_use[stack]}: wait until it ends, or stop it"
                )

    def _measure_clocks(
        self, slots: Sequence[Slot], bound: float | None
    ) -> Mapping[str, ClockOffset | None]:
        max_error = _CLOCK_ERROR_SECONDS if bound is None else bound / _ERRORS_PER_BOUND
        addresses = {slot.name: slot.address for slot in slots}
        return self._tools.clocks.measure(addresses, max_error=max_error)


def _release(reservation: RunReservation, run: Run) -> None:
    try:
        reservation.release()
    except PiRackError as error:
        _log.warning("%s: %s", run.title, error)
