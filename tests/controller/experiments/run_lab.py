"""Runs of experiments on the relays of a rack whose rasps have given states."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from prometheus_client import CollectorRegistry

from controller.auth.access_control import AccessControl
from controller.experiments.client_link import ClientAnswer, ClientRequest
from controller.experiments.clocks import ClockOffset, RaspClocks
from controller.experiments.energy import MeasureOutlets
from controller.experiments.model import (
    EventKind,
    ExperimentRequest,
    Rate,
    Run,
    RunEvent,
    RunState,
    RunVerdict,
    VerdictResult,
)
from controller.experiments.service import ExperimentService
from controller.experiments.store import RunStore
from controller.orders.service import OrderService
from controller.reservations.service import ReservationService
from controller.state.prometheus import Prometheus
from rack.clock import Moment, seconds_since_boot
from rack.database import Database
from tests.controller.fakes import FakeRackState, order_service_for, reservation_service_for
from tests.helpers.waiting import wait_until

OWNER = "otto"
MAX_RUN_SECONDS = 120.0  # on a busy machine
_LEASE_INTERVAL = 0.1
_OK = RunVerdict(VerdictResult.OK, "nothing was lost")

Answer = Callable[[ClientRequest], ClientAnswer | None]


def plan_text(*faults: str, nodes: str = "stacks 1-2", within: str = "2 s", extra: str = "") -> str:
    """Return a plan file. Each fault is the lines of its table."""
    tables = "".join(f"[[fault]]\n{fault}\n" for fault in faults)
    keys = 'client = "./load {nodes} {history}"\ncheck = "set"'
    return f'nodes = "{nodes}"\nwithin = "{within}"\n{keys}\n{extra}\n{tables}'


class RunLab:
    """A service of experiments with orders on mock pins, and the client of one run.

    The client renews its lease until `is_client_alive` is false, and sends a verdict.
    """

    def __init__(
        self,
        orders: OrderService,
        reservations: ReservationService,
        rack_state: FakeRackState,
        database: Database,
        measure_outlets: MeasureOutlets = lambda outlets, seconds: {},
    ) -> None:
        self.orders = orders
        self.reservations = reservations
        self.rack_state = rack_state
        self.lease_clock = _AdvancingClock()
        self.clocks = GivenClocks()
        self.is_client_alive = True
        self.answer: Answer = lambda _: None
        self.verdict: RunVerdict | None = _OK
        self.store = RunStore(database)
        self.experiments = ExperimentService(
            orders,
            reservations,
            self.store,
            CollectorRegistry(),
            Prometheus("http://127.0.0.1:1"),
            rack_state.read,
            lambda: Moment(seconds_since_boot(), self.lease_clock.wall_time()),
            clocks=self.clocks,
            clock=self.lease_clock.read,
            measure_outlets=measure_outlets,
        )
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, text: str, *, reservation: int | None = None) -> int:
        """Start a run and its client. Return its id."""
        return self.start_request(ExperimentRequest("raft.toml", text, 1, reservation))

    def start_request(self, request: ExperimentRequest) -> int:
        """Start the run of a request and its client. Return its id."""
        number = self.experiments.run(request, OWNER).id
        thread = threading.Thread(target=self._be_client, args=(number,))
        thread.start()
        self._threads.append(thread)
        return number

    def wait_for(self, number: int, *states: RunState) -> Run:
        """Wait until a run has one of these states."""
        wait_until(lambda: self.experiments.get(number).state in states, MAX_RUN_SECONDS)
        return self.experiments.get(number)

    def wait_for_end(self, number: int) -> Run:
        """Wait until a run has ended and released its stacks."""
        run = self.wait_for(number, *(state for state in RunState if state.is_over))
        stacks = set(run.plan.stacks)
        wait_until(lambda: not stacks & self.reservations.holders().keys(), MAX_RUN_SECONDS)
        return run

    def wait_for_cut(self, stack: int) -> None:
        """Wait until a stack has no power."""
        wait_until(lambda: not self.is_on(stack), MAX_RUN_SECONDS)

    def events(self, number: int, kind: EventKind) -> list[RunEvent]:
        """Return the events of a kind."""
        events = self.experiments.events(number, limit=1000)
        return [event for event in events if event.kind is kind]

    def states(self, number: int) -> list[str]:
        """Return the states that a run has entered."""
        return [event.text for event in self.events(number, EventKind.STATE)]

    def is_on(self, stack: int) -> bool:
        """Return the power of a stack, all outlets of which must be on."""
        outlets = self.orders.rack.stack(stack).outlets
        return all(map(self.orders._context.outlets.has_power, outlets))

    def close(self) -> None:
        """Stop the client and the service."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self.experiments.close()

    def _be_client(self, number: int) -> None:
        while not self._stopped.wait(_LEASE_INTERVAL):
            if not self.is_client_alive:
                return
            run, requests = self.experiments.renew(number, [Rate(1, 1, 0, 0)], [])
            answers = [answer for each in requests if (answer := self.answer(each))]
            if answers:
                self.experiments.renew(number, [], answers)
            if run.state.is_over:
                return
            if run.state is RunState.CHECKING and run.verdict is None and self.verdict:
                self.experiments.take_verdict(number, self.verdict)


class GivenClocks(RaspClocks):
    """Offsets of the clocks of rasps, by name. Other clocks have no offset."""

    def __init__(self) -> None:
        super().__init__(1)
        self.offsets: dict[str, ClockOffset | None] = {}

    def measure(
        self, addresses: Mapping[str, IPv4Address], *, max_error: float = 0.0
    ) -> dict[str, ClockOffset | None]:
        exact = ClockOffset(-max_error, max_error)
        return {name: self.offsets.get(name, exact) for name in addresses}


class _AdvancingClock:
    """Monotonic clock of the leases, which a test advances."""

    def __init__(self) -> None:
        self._advanced = 0.0

    def read(self) -> float:
        return seconds_since_boot() + self._advanced

    def wall_time(self) -> float:
        return 1_700_000_000.0 + seconds_since_boot()

    def advance(self, seconds: float) -> None:
        self._advanced += seconds


@contextmanager
def running_lab(folder: Path, access: AccessControl, rack_state: FakeRackState) -> Iterator[RunLab]:
    """Start a lab whose stacks all have power."""
    orders = order_service_for(access, rack_state, folder, CollectorRegistry())
    orders.start()
    reservations = reservation_service_for(access, folder)
    lab = RunLab(orders, reservations, rack_state, Database(folder / "pirack.db"))
    lab.experiments.start()
    thread = reservations.make_thread()
    thread.start()
    try:
        yield lab
    finally:
        lab.close()
        thread.close()
        orders.close()
