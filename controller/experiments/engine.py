"""Run a plan: prepare the nodes, await the steady state, inject the faults, recover, check.

One thread runs one plan. Whatever happens, all nodes of the run have power at its end. If the
controller is killed, `controller.power_return` restores the power of interrupted power cycles.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from controller.errors import StackBusyError
from controller.experiments import health
from controller.experiments.client_link import ClientLink
from controller.experiments.clocks import ClockOffset, clock_problems, format_offset
from controller.experiments.energy import MeasureOutlets, outlets_of, run_energy
from controller.experiments.expansion import resolve_fault
from controller.experiments.fault_orders import FaultOrders, slot_ids
from controller.experiments.model import EventKind, RunState, RunVerdict, VerdictResult
from controller.experiments.picking import PickError
from controller.experiments.plan import Plan, PlannedFault
from controller.experiments.probes import Probes, query_problem
from controller.experiments.recorder import RunRecorder
from controller.experiments.run_reservation import RunReservation
from controller.orders.actions import POWER_ON
from controller.orders.model import POWER_RETURN, OrderRequest
from controller.outlet_monitor import EnergyReading
from controller.state.model import PowerState, RackState, RaspState
from controller.state.prometheus import Prometheus
from rack.clock import Moment
from rack.errors import DatabaseError, PiRackError
from rack.layout import Outlet, Rack, Slot

SUBMIT_SECONDS = 4.0
"""Seconds from the submission of an order to its planned time."""

PLACE_SECONDS = 3.0
"""Seconds that the client has to name the rasps of a place."""

CHECK_SECONDS = 3600.0
"""Longest time for which a verdict is awaited."""

MEASURE_SECONDS = 5.0
"""Longest time for which a reading of the outlets is awaited."""

_POLL_SECONDS = 0.25
_HEALTH_INTERVAL = 2.0
_STOP_SECONDS = 60.0
_RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class RunAbortedError(PiRackError):
    """The run cannot go on. The text is the reason."""


@dataclass(frozen=True)
class RunEnvironment:
    """What a run needs of the controller.

    Attributes:
        rack: Layout of the rack.
        read_state: Returns the state of the rack.
        prometheus: Answers PromQL.
        now: Returns the current time on both clocks of the master.
        reservation: Reservation of the stacks of the run.
        measure_clocks: Returns the offset of the clock of each rasp, by name, or None if unknown.
            The argument is the bound of the offsets in seconds, or None.
        is_closing: Returns whether the controller is stopping.
        measure_outlets: Reads outlets within seconds, and returns their energy.
    """

    rack: Rack
    read_state: Callable[[], RackState]
    prometheus: Prometheus
    now: Callable[[], Moment]
    reservation: RunReservation
    measure_clocks: Callable[[Sequence[Slot], float | None], Mapping[str, ClockOffset | None]]
    is_closing: Callable[[], bool]
    measure_outlets: MeasureOutlets


class RunEngine:
    """Runs one plan. See the module.

    Args:
        environment: What the run needs of the controller.
        recorder: Current version and events of the run.
        orders: Submits the orders of the run.
        link: The client of the run.
    """

    def __init__(
        self,
        environment: RunEnvironment,
        recorder: RunRecorder,
        orders: FaultOrders,
        link: ClientLink,
    ) -> None:
        self._environment = environment
        self._recorder = recorder
        self._orders = orders
        self._link = link
        self._next_health_check = 0.0
        self._outlets = outlets_of(environment.rack, recorder.run.plan.nodes)
        self._first_energy: Mapping[Outlet, EnergyReading] = {}

    def run(self) -> None:
        """Run the plan until its end. No error is raised."""
        reason = self._reason_of(self._run_plan)
        if reason:
            self._recorder.add(EventKind.ABORT, reason)
        if problem := self._reason_of(self._restore):
            self._recorder.add(EventKind.WARNING, problem)
        reason = reason or problem
        state = RunState.ABORTED if reason else RunState.DONE
        energy = run_energy(self._outlets, self._first_energy, self._measure_outlets())
        finished_at = self._environment.now().time
        self._recorder.enter(state, reason=reason, finished_at=finished_at, energy=energy)

    def _run_plan(self) -> None:
        self._await_reservation()
        self._prepare()
        self._recorder.enter(RunState.STEADY)
        self._await_steady_state()
        self._inject_faults()
        self._recover()
        self._check()

    def _reason_of(self, step: Callable[[], None]) -> str:
        """Return why a step failed, or an empty string."""
        try:
            step()
        except PiRackError as error:
            return str(error)
        except Exception:  # noqa: BLE001 - the power must return after any error
            _log.exception("%s failed", self._recorder.run.title)
            return "internal error, see the log of the controller"
        return ""

    @property
    def _plan(self) -> Plan:
        return self._recorder.run.plan

    def _await_reservation(self) -> None:
        while not self._environment.reservation.is_active:
            self._pause()

    def _prepare(self) -> None:
        self._recorder.enter(RunState.PREPARING)
        self._first_energy = self._measure_outlets()
        missing = [f"{rasp.slot.name} is empty" for rasp in self._nodes() if rasp.rasp is None]
        if missing:
            raise RunAbortedError(f"{health.shortened(missing)}: run `pirack install`")
        self._power_on()
        self._await_nodes()
        if self._plan.start:
            self._run_action(self._plan.start)

    def _await_nodes(self) -> None:
        """Wait until all nodes are up, and their clocks are within the bound of the plan."""
        self._await(
            lambda: health.shortened(health.rasps_not_up(self._nodes())),
            self._plan.abort.boot_within,
            "the nodes are not up",
        )
        self._await_clocks()

    def _await_steady_state(self) -> None:
        plan = self._plan
        nodes = [rasp.slot for rasp in self._nodes()]
        probes = Probes(plan.probes, nodes, self._environment.prometheus, self._link)
        try:
            self._await(probes.problem, plan.within, "the nodes are not in the steady state")
        finally:
            probes.close()
        if plan.probes:
            self._recorder.add(EventKind.PROBE, "all probes succeed")

    def _inject_faults(self) -> None:
        first = min(map(_first_step, self._plan.faults), default=0.0)
        start = self._environment.now() + max(0.0, -first)
        self._recorder.enter(RunState.FAULTS, moment=start, faults_started_at=start.time)
        for number in [fault.number for fault in sorted(self._plan.faults, key=_first_step)]:
            fault = self._plan.fault(number)
            at = start.monotonic + fault.at
            if fault.place:
                self._wait_until(start.monotonic + _first_step(fault))
                self._resolve(fault)
            self._wait_until(start.monotonic + _submission(fault))
            self._inject(self._plan.fault(number), at)

    def _resolve(self, fault: PlannedFault) -> None:
        """Ask the client which rasps are at a place, and record them in the plan."""
        command = self._plan.places[fault.place]
        number = self._link.ask(
            "place", command, PLACE_SECONDS * 2, name=fault.place, fault=fault.number
        )
        while not (answers := self._link.take_answers([number])):
            if not self._link.is_open(number):
                raise RunAbortedError(f"the client did not name the rasps of {fault.place}")
            self._pause()
        answer = answers[number]
        if not answer.nodes:
            raise RunAbortedError(f"{fault.place} is unknown: {answer.detail or 'no node'}")
        try:
            plan = resolve_fault(self._plan, fault.number, answer.nodes, self._environment.rack)
        except PickError as error:
            raise RunAbortedError(f"{fault.place}: {error}") from error
        self._recorder.change(plan=plan)
        names = ", ".join(self._plan.fault(fault.number).rasps)
        self._recorder.add(EventKind.PLACE, f"{fault.place} is {names}", fault=fault.number)

    def _inject(self, fault: PlannedFault, at: float) -> None:
        """Submit the orders of a fault, as soon as no earlier order holds its stacks."""
        deadline = self._environment.now().monotonic + self._plan.abort.boot_within
        while True:
            try:
                self._orders.inject(fault, at, self._plan.abort.boot_within)
            except StackBusyError as error:
                if self._orders.is_idle or self._environment.now().monotonic > deadline:
                    raise RunAbortedError(str(error)) from error
            else:
                return
            self._pause()

    def _recover(self) -> None:
        while not self._orders.is_idle:
            self._pause()
        self._recorder.enter(RunState.RECOVERY)
        self._await_nodes()
        self._await_steady_state()

    def _check(self) -> None:
        self._recorder.enter(RunState.CHECKING)
        check = self._plan.check
        if check.kind == "promql":
            problem = query_problem(self._environment.prometheus, check.query)
            result = VerdictResult.FAILED if problem else VerdictResult.OK
            self._recorder.take_verdict(RunVerdict(result, problem))
        deadline = self._environment.now().monotonic + CHECK_SECONDS
        while self._recorder.run.verdict is None:
            if self._environment.now().monotonic > deadline:
                raise RunAbortedError(f"no verdict arrived within {CHECK_SECONDS:g} s")
            self._pause()

    def _restore(self) -> None:
        """Give power to all nodes, and run the stop action. Nothing of the client is awaited."""
        self._orders.cancel()
        self._finish_orders(self._plan.abort.boot_within)
        self._return_power()
        self._finish_orders(self._plan.abort.boot_within)
        if self._plan.stop:
            request = OrderRequest(self._plan.stop, "rasps", self._node_ids)
            self._orders.submit(request, owner=POWER_RETURN)
            self._finish_orders(_STOP_SECONDS)

    def _return_power(self) -> None:
        """Switch the nodes on, also if this is possible only later."""
        problem = ""
        while not self._environment.is_closing():
            try:
                self._power_on(owner=POWER_RETURN)
            except PiRackError as error:
                if str(error) != problem:
                    problem = str(error)
                    self._recorder.add(EventKind.WARNING, problem)
            else:
                return
            self._link.wait(_RETRY_SECONDS)

    def _finish_orders(self, seconds: float) -> None:
        deadline = self._environment.now().monotonic + seconds
        self._orders.collect(-math.inf)
        while not self._orders.is_idle and self._environment.now().monotonic < deadline:
            self._link.wait(_POLL_SECONDS)
            with suppress(PiRackError):  # the power returns also without the reservation
                self._environment.reservation.renew()
            self._orders.collect(-math.inf)

    def _power_on(self, *, owner: str = "") -> None:
        """Switch on what has no power, or whose power is unknown.

        Rasps that are no nodes are switched only if they share an outlet with nodes.
        """
        state = self._environment.read_state()
        stacks = [state.stacks[number - 1] for number in self._plan.stacks]
        shared = tuple(
            each.stack.number
            for each in stacks
            if not each.stack.has_outlet_per_slot and each.power is not PowerState.ON
        )
        if shared:
            self._orders.submit(OrderRequest(POWER_ON, "stacks", shared), owner=owner)
        single = tuple(
            rasp.slot.id
            for rasp in (state.rasps[number - 1] for number in self._node_ids)
            if state.stacks[rasp.slot.stack - 1].stack.has_outlet_per_slot
            and rasp.power is not PowerState.ON
        )
        if single:
            self._orders.submit(OrderRequest(POWER_ON, "rasps", single), owner=owner)

    def _run_action(self, action: str) -> None:
        self._orders.submit(OrderRequest(action, "rasps", self._node_ids))
        while not self._orders.is_idle:
            self._pause()

    def _await_clocks(self) -> None:
        """Measure the clocks, and wait until all are within the bound of the plan."""
        bound = self._plan.clock_offset
        slots = [rasp.slot for rasp in self._nodes()]
        offsets = self._environment.measure_clocks(slots, bound)
        deadline = self._environment.now().monotonic + self._plan.within
        while bound is not None and (problems := clock_problems(offsets, bound)):
            if self._environment.now().monotonic > deadline:
                raise RunAbortedError(
                    f"the clocks are not synchronized after {self._plan.within:g} s:"
                    f" {health.shortened(problems)}"
                )
            self._pause()
            offsets = self._environment.measure_clocks(slots, bound)
        for name, offset in offsets.items():
            if offset is not None:
                text = f"the clock of {name} is off by {format_offset(offset)}"
                self._recorder.add(EventKind.CLOCK, text, rasp=name)

    def _await(self, problem: Callable[[], str], seconds: float, what: str) -> None:
        """Wait until there is no problem.

        Raises:
            RunAbortedError: If there still is one after these seconds.
        """
        deadline = self._environment.now().monotonic + seconds
        while reason := problem():
            if self._environment.now().monotonic > deadline:
                raise RunAbortedError(f"{what} after {seconds:g} s: {reason}")
            self._pause()

    def _wait_until(self, monotonic: float) -> None:
        while (remaining := monotonic - self._environment.now().monotonic) > 0:
            self._pause(min(remaining, _POLL_SECONDS))

    def _pause(self, seconds: float = _POLL_SECONDS) -> None:
        """Wait a moment, and abort the run if it may not go on."""
        self._link.wait(seconds)
        problem = (
            self._link.problem
            or self._environment.reservation.problem()
            or self._orders.collect(self._environment.now().monotonic)
            or self._health_problem()
        )
        if problem:
            raise RunAbortedError(problem)

    def _health_problem(self) -> str:
        now = self._environment.now().monotonic
        if now < self._next_health_check:
            return ""
        self._next_health_check = now + _HEALTH_INTERVAL
        return health.health_problem(self._nodes(), self._plan.abort)

    def _measure_outlets(self) -> Mapping[Outlet, EnergyReading]:
        """Return the energy of the outlets. The stop of the controller waits for no reading."""
        seconds = 0.0 if self._environment.is_closing() else MEASURE_SECONDS
        return self._environment.measure_outlets(self._outlets, seconds)

    def _nodes(self) -> Sequence[RaspState]:
        try:
            rasps = self._environment.read_state().rasps
        except DatabaseError as error:
            raise RunAbortedError(str(error)) from error
        return [rasps[number - 1] for number in self._node_ids]

    @property
    def _node_ids(self) -> tuple[int, ...]:
        return slot_ids(self._environment.rack, self._plan.nodes)


def _submission(fault: PlannedFault) -> float:
    """Return the seconds from the steady state to the submission of the order of a fault."""
    return fault.at - (SUBMIT_SECONDS if fault.seconds_off is not None else 0.0)


def _first_step(fault: PlannedFault) -> float:
    """Return the seconds from the steady state to the first step of a fault."""
    return _submission(fault) - (PLACE_SECONDS if fault.place else 0.0)
