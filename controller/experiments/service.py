"""Service of experiments: plan, start, renew, stop and read runs."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from controller import __version__
from controller.errors import RunConflictError
from controller.experiments.client_link import ClientAnswer, ClientLink, ClientRequest
from controller.experiments.clocks import ClockOffset, RaspClocks
from controller.experiments.engine import RunEngine, RunEnvironment
from controller.experiments.expansion import RackContext, expand
from controller.experiments.fault_orders import FaultOrders
from controller.experiments.metrics import ExperimentMetrics
from controller.experiments.model import (
    ExperimentRequest,
    Rate,
    Run,
    RunEvent,
    RunHeader,
    RunState,
    RunVerdict,
)
from controller.experiments.openmetrics import metrics_of_run
from controller.experiments.plan import Plan
from controller.experiments.plan_file import parse_plan_file
from controller.experiments.recorder import RunRecorder
from controller.experiments.run_reservation import RunReservation, find_reservation
from controller.experiments.store import RunStore
from controller.orders.service import OrderService
from controller.reservations.model import Reservation
from controller.reservations.service import ReservationService
from controller.state.model import RackState
from controller.state.prometheus import Prometheus, PrometheusUnavailableError
from rack.errors import DatabaseError, PiRackError
from rack.layout import Rack, Slot
from rack.power_edges import Moment

_STOP_SECONDS = 5.0
_CLOCK_ERROR_SECONDS = 0.25  # without a bound, this takes about one second
_ERRORS_PER_BOUND = 5
_CHECK_SECONDS = 900.0  # for the check, in the own reservation of a run
_PREPARE_SECONDS = 60.0  # for actions and clocks, in the longest duration of a run

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DryRun:
    """A plan and its effects.

    Attributes:
        plan: The plan.
        longest_seconds: Longest duration of its run, without the check.
    """

    plan: Plan
    longest_seconds: float


@dataclass(frozen=True)
class _ActiveRun:
    recorder: RunRecorder
    link: ClientLink
    thread: threading.Thread


class ExperimentService:
    """Runs experiments, each in its own thread. Thread-safe.

    Args:
        orders: Submits the orders of runs.
        reservations: Reservations of stacks.
        store: Stores runs.
        registry: Registry of the controller.
        prometheus: Answers PromQL.
        read_state: Returns the state of the rack.
        now: Returns the current time on both clocks of the master.
        clocks: Measures the clocks of rasps, by default with their exporters.
        clock: Returns monotonic seconds, for leases.
    """

    def __init__(  # noqa: PLR0913 - the components of a run
        self,
        orders: OrderService,
        reservations: ReservationService,
        store: RunStore,
        registry: CollectorRegistry,
        prometheus: Prometheus,
        read_state: Callable[[], RackState],
        now: Callable[[], Moment],
        *,
        clocks: RaspClocks | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._orders = orders
        self._reservations = reservations
        self._store = store
        self._prometheus = prometheus
        self._read_state = read_state
        self.now = now
        self._clock = clock
        self._lock = threading.Lock()
        self._active: dict[int, _ActiveRun] = {}
        self._accepts_runs = False
        self._clocks = clocks or RaspClocks(orders.rack.network.exporter_port)
        self._metrics = ExperimentMetrics(registry, orders.rack, self._runs_by_stack)
        reservations.on_end(self._end_runs_of)

    @property
    def rack(self) -> Rack:
        """Layout of the rack."""
        return self._orders.rack

    def start(self) -> None:
        """Mark unfinished runs of an earlier controller as interrupted, then accept runs.

        Raises:
            DatabaseError: If pirack.db cannot be used.
        """
        for run in self._store.mark_interrupted(self.now().time):
            _log.warning("%s of %s was interrupted", run.title, run.actor)
        self._accepts_runs = True

    def close(self) -> None:
        """Reject new runs and end the active ones. Orders must still be accepted."""
        with self._lock:
            self._accepts_runs = False
            active = list(self._active.values())
        for run in active:
            run.link.stop("the controller is stopping")
        for run in active:
            run.thread.join(_STOP_SECONDS)

    def plan(self, request: ExperimentRequest, actor: str) -> DryRun:
        """Return the plan of a request, and change nothing.

        Raises:
            PlanError: If the plan is wrong.
            UnknownRunError: If the run to repeat does not exist.
            UnknownReservationError: If the reservation does not exist.
            RunConflictError: If the reservation is not an active one of the actor.
        """
        reserved = None
        if request.reservation is not None:
            found = find_reservation(self._reservations, request.reservation, actor)
            reserved = found.stacks
        if request.replay_of is not None:
            plan = self._store.get(request.replay_of).plan
            _require_reserved(plan, request.replay_of, reserved)
        else:
            plan_file = parse_plan_file(request.text, request.file)
            context = self._context(reserved, actor)
            plan = expand(plan_file, request.file, request.seed, context)
        return DryRun(plan, _longest_seconds(plan))

    def run(self, request: ExperimentRequest, actor: str) -> Run:
        """Start a run.

        Args:
            request: The request.
            actor: User or token.

        Raises:
            RunConflictError: If another run uses one of the stacks, or the controller is stopping.
            DatabaseError: If the run cannot be saved. Nothing was started.
            Further errors are those of `plan`.
        """
        if request.replay_of is not None:
            source = self._store.get(request.replay_of)
            request = replace(request, file=source.file, text=source.text, seed=source.seed)
        dry_run = self.plan(request, actor)
        plan = dry_run.plan
        versions = self._versions()
        with self._lock:
            self._require_free(plan)
            reservation = self._reserve(request, actor, dry_run)
            run = self._store.add(
                Run(
                    id=0,
                    name=plan.name,
                    seed=plan.seed,
                    actor=actor,
                    state=RunState.WAITING,
                    started_at=self.now().time,
                    reservation=reservation.id,
                    replay_of=request.replay_of,
                    file=request.file,
                    text=request.text,
                    plan=plan,
                    versions=versions,
                    layout_hash=layout_hash(self.rack),
                )
            )
            self._start_thread(run, reservation)
        return run

    def renew(
        self, number: int, rates: Sequence[Rate], answers: Iterable[ClientAnswer]
    ) -> tuple[RunHeader, list[ClientRequest]]:
        """Renew the lease of a run. Return the run and the open questions to its client.

        Raises:
            UnknownRunError: If the run does not exist.
        """
        active = self._active.get(number)
        if active is None:
            return self._store.get(number), []
        requests = active.link.renew(answers)
        if rates:
            try:
                self._store.save_rates(number, rates)
            except DatabaseError as error:
                _log.error("the rates of run %d cannot be saved: %s", number, error)
        return active.recorder.run, requests

    def take_verdict(self, number: int, verdict: RunVerdict) -> Run:
        """Set the verdict of a run whose client checks it.

        Raises:
            UnknownRunError: If the run does not exist.
            RunConflictError: If the run does not await a verdict.
        """
        active = self._active.get(number)
        if active is None or not active.recorder.take_verdict(verdict):
            run = self.get(number)
            raise RunConflictError(
                f"run {number} is {run.state}: send a verdict while it is checking, and only once"
            )
        active.link.renew()
        return active.recorder.run

    def stop(self, number: int, actor: str) -> Run:
        """Stop a run. Its power returns, and then it is `aborted`.

        Raises:
            UnknownRunError: If the run does not exist.
            RunConflictError: If the run has ended.
        """
        active = self._active.get(number)
        if active is None:
            raise RunConflictError(f"run {number} is already {self._store.get(number).state}")
        active.link.stop(f"stopped by {actor}")
        return active.recorder.run

    def get(self, number: int) -> Run:
        """Return the current version of a run.

        Raises:
            UnknownRunError: If the run does not exist.
        """
        active = self._active.get(number)
        return self._store.get(number) if active is None else active.recorder.run

    def list_recent(
        self, limit: int, *, before: int | None = None, name: str | None = None
    ) -> list[RunHeader]:
        """Return runs without their plans, newest first. See `RunStore.list_recent`."""
        return self._store.list_recent(limit, before=before, name=name)

    def events(self, number: int, *, after: int = 0, limit: int) -> list[RunEvent]:
        """Return the events of a run with larger numbers than `after`, in order.

        Raises:
            UnknownRunError: If the run does not exist.
        """
        self.get(number)
        return self._store.events(number, after=after, limit=limit)

    def rates(self, number: int) -> list[Rate]:
        """Return the rates of the client of a run, in order of time.

        Raises:
            UnknownRunError: If the run does not exist.
        """
        self.get(number)
        return self._store.rates(number)

    def samples(self, number: int) -> bytes:
        """Return the samples of the nodes of a run in its time as OpenMetrics text.

        Raises:
            UnknownRunError: If the run does not exist.
            PrometheusUnavailableError: If Prometheus does not respond.
        """
        run = self.get(number)
        return metrics_of_run(self._prometheus, self.rack.name, run, self.now().time)

    def _context(self, reserved: Sequence[int] | None, actor: str) -> RackContext:
        """Return what a plan may use. Without a reservation, free stacks are chosen first."""
        taken = set(self._runs_by_stack()) | {
            stack for stack, holder in self._reservations.holders().items() if holder.owner != actor
        }
        numbers = [stack.number for stack in self.rack.stacks]
        offered = reserved or sorted(numbers, key=lambda number: (number in taken, number))
        return RackContext(self.rack, self._orders.actions.for_rasps, offered, reserved)

    def _reserve(self, request: ExperimentRequest, actor: str, dry_run: DryRun) -> RunReservation:
        if request.reservation is not None:
            found = find_reservation(self._reservations, request.reservation, actor)
            return RunReservation(self._reservations, found, is_own=False, clock=self._clock)
        seconds = dry_run.longest_seconds + _CHECK_SECONDS
        return RunReservation.make(
            self._reservations, actor, dry_run.plan.stacks, seconds, self._clock
        )

    def _end_runs_of(self, reservation: Reservation) -> bool:
        """End the runs of a reservation that ends. Return whether they have ended."""
        runs = [
            active
            for active in list(self._active.values())
            if active.recorder.run.reservation == reservation.id
        ]
        for active in runs:
            active.link.stop(f"{reservation.title} has ended")
        return not runs

    def _runs_by_stack(self) -> Mapping[int, int]:
        """Return the unfinished run that uses a stack, keyed by stack number."""
        return {
            stack: number
            for number, active in list(self._active.items())
            for stack in active.recorder.run.plan.stacks
        }

    def _require_free(self, plan: Plan) -> None:
        if not self._accepts_runs:
            raise RunConflictError("the controller is stopping: retry in a moment")
        in_use = self._runs_by_stack()
        for stack in plan.stacks:
            if stack in in_use:
                raise RunConflictError(
                    f"stack {stack} is used by run {in_use[stack]}: wait until it ends, or stop it"
                )

    def _start_thread(self, run: Run, reservation: RunReservation) -> None:
        recorder = RunRecorder(run, self._store, self.now)
        link = ClientLink(self._clock)
        engine = RunEngine(
            RunEnvironment(
                self.rack,
                self._read_state,
                self._prometheus,
                self.now,
                reservation,
                self._measure_clocks,
                lambda: not self._accepts_runs,
            ),
            recorder,
            FaultOrders(self._orders, recorder, run.actor, self._metrics),
            link,
        )

        started = self._clock()

        def execute() -> None:
            try:
                engine.run()
            finally:
                self._metrics.finished(recorder.run, self._clock() - started)
                _release(reservation, run)
                with self._lock:
                    del self._active[run.id]

        thread = threading.Thread(target=execute, name=f"run {run.id}")
        self._active[run.id] = _ActiveRun(recorder, link, thread)
        thread.start()

    def _measure_clocks(
        self, slots: Sequence[Slot], bound: float | None
    ) -> Mapping[str, ClockOffset | None]:
        max_error = _CLOCK_ERROR_SECONDS if bound is None else bound / _ERRORS_PER_BOUND
        addresses = {slot.name: slot.address for slot in slots}
        return self._clocks.measure(addresses, max_error=max_error)

    def _versions(self) -> Mapping[str, str]:
        versions = {"pirack": __version__}
        try:
            versions["prometheus"] = self._prometheus.version()
        except PrometheusUnavailableError as error:
            _log.warning("the version of Prometheus is unknown: %s", error)
        return versions


def layout_hash(rack: Rack) -> str:
    """Return the SHA-256 of the stacks, slots and addresses of a rack."""
    text = "\n".join(f"{slot.name} {slot.address}" for slot in rack.slots)
    return hashlib.sha256(f"{rack.name}\n{text}".encode()).hexdigest()


def _longest_seconds(plan: Plan) -> float:
    boots = 2 * plan.abort.boot_within
    return 2 * _PREPARE_SECONDS + boots + 2 * plan.within + plan.duration


def _require_reserved(plan: Plan, replay_of: int, reserved: Sequence[int] | None) -> None:
    missing = [stack for stack in plan.stacks if reserved is not None and stack not in reserved]
    if missing:
        raise RunConflictError(
            f"run {replay_of} uses stack {missing[0]}, which is not reserved: reserve stacks"
            f" {' '.join(map(str, plan.stacks))}"
        )


def _release(reservation: RunReservation, run: Run) -> None:
    try:
        reservation.release()
    except PiRackError as error:
        _log.warning("%s: %s", run.title, error)
