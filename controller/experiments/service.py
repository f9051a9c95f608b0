"""Service of experiments: plan, start, renew, stop and read runs."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from prometheus_client import CollectorRegistry

from controller.errors import RunConflictError
from controller.experiments.active_runs import ActiveRuns, RunTools
from controller.experiments.client_link import ClientAnswer, ClientRequest
from controller.experiments.clocks import RaspClocks
from controller.experiments.energy import MeasureOutlets
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
from controller.experiments.planning import DryRun, RunPlanner
from controller.experiments.provenance import layout_hash, program_versions
from controller.experiments.run_reservation import RunReservation, find_reservation
from controller.experiments.store import RunStore
from controller.orders.service import OrderService
from controller.reservations.service import ReservationService
from controller.state.model import RackState
from controller.state.prometheus import Prometheus
from rack.clock import Moment
from rack.errors import DatabaseError

_CHECK_SECONDS = 900.0  # for the check, in the own reservation of a run

_log = logging.getLogger(__name__)


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
        measure_outlets: Reads outlets within seconds, and returns their energy. By default, no
            outlet measures it.
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
        measure_outlets: MeasureOutlets = lambda outlets, seconds: {},  # noqa: ARG005
    ) -> None:
        self._reservations = reservations
        self._store = store
        self._prometheus = prometheus
        self.rack = orders.rack
        self.now = now
        self._clock = clock
        clocks = clocks or RaspClocks(orders.rack.network.exporter_port)
        tools = RunTools(orders, store, prometheus, read_state, now, clocks, clock, measure_outlets)
        self._active = ActiveRuns(tools, registry)
        self._planner = RunPlanner(orders, reservations, store, self._active.by_stack)
        reservations.on_end(self._active.end_runs_of)

    def start(self) -> None:
        """Mark unfinished runs of an earlier controller as interrupted, then accept runs.

        Raises:
            DatabaseError: If pirack.db cannot be used.
        """
        for run in self._store.mark_interrupted(self.now().time):
            _log.warning("%s of %s was interrupted", run.title, run.actor)
        self._active.accept()

    def close(self) -> None:
        """Reject new runs and end the active ones. Orders must still be accepted."""
        self._active.close()

    def plan(self, request: ExperimentRequest, actor: str) -> DryRun:
        """Return the plan of a request, and change nothing.

        Raises:
            PlanError: If the plan is wrong.
            UnknownRunError: If the run to repeat does not exist.
            UnknownReservationError: If the reservation does not exist.
            RunConflictError: If the reservation is not an active one of the actor.
        """
        return self._planner.plan(request, actor)

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
        versions = program_versions(self._prometheus)
        with self._active.admission(plan):
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
            self._active.start(run, reservation)
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

    def list_between(self, start: float, end: float, limit: int) -> list[RunHeader]:
        """Return the newest runs of a time. See `RunStore.list_between`."""
        return self._store.list_between(start, end, limit)

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
        """Return the samples of the nodes of a run and of their outlets as OpenMetrics text.

        Raises:
            UnknownRunError: If the run does not exist.
            PrometheusUnavailableError: If Prometheus does not respond.
        """
        run = self.get(number)
        return metrics_of_run(self._prometheus, self.rack, run, self.now().time)

    def _reserve(self, request: ExperimentRequest, actor: str, dry_run: DryRun) -> RunReservation:
        if request.reservation is not None:
            found = find_reservation(self._reservations, request.reservation, actor)
            return RunReservation(self._reservations, found, is_own=False, clock=self._clock)
        seconds = dry_run.longest_seconds + _CHECK_SECONDS
        return RunReservation.make(
            self._reservations, actor, dry_run.plan.stacks, seconds, self._clock
        )
