"""Controllers in forked processes that are killed before a chosen change or at a chosen time.

A change is a transaction in pirack.db or a new state of a pin. Each controller has all components
except the server. It processes requests after the power of interrupted power cycles has returned.
"""

import json
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from controller import bootstrap
from controller.__main__ import controller
from controller.dependencies import Dependencies
from controller.experiments.model import ExperimentRequest, RunState
from controller.experiments.service import ExperimentService
from controller.installation.service import Requester
from controller.options import ControllerOptions
from controller.orders.model import OrderRequest, PowerTiming
from controller.state import latest
from dhcp_installer import DEFAULT_STRATEGY
from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.clock import seconds_since_boot
from rack.database import Database
from rack.layout import Rack
from rack.layout_file import load
from rack.power import commanded_power
from rack.power.outlets import Outlets
from tests.helpers.click_commands import parse_command
from tests.helpers.forked_program import fork_server, keep_shared_memory, processes_lock
from tests.helpers.waiting import wait_until
from virtual_rack import control, pins  # noqa: F401 - pins is imported before the forks

INSTALL, RECOVER_INSTALL = "install", "recover"

_END_SECONDS = 100.0
_POLL_SECONDS = 0.01
_READS = ("SELECT", "PRAGMA", "BEGIN")


@dataclass(frozen=True)
class PlannedCycle:
    """A power cycle as the run of an experiment submits it.

    Attributes:
        request: The power cycle.
        in_seconds: Seconds until the power cut of a forced order, or until the shutdowns.
        off_seconds: Seconds without power.
    """

    request: OrderRequest
    in_seconds: float
    off_seconds: float


@dataclass(frozen=True)
class KilledExperiment:
    """A run of an experiment during whose faults the process is killed.

    Attributes:
        text: The plan file.
        kill_after: Seconds from the state `faults` to the kill.
    """

    text: str
    kill_after: float


Request = OrderRequest | PlannedCycle | KilledExperiment | str
"""An order, a planned power cycle, a run of an experiment, INSTALL or RECOVER_INSTALL."""


@dataclass(frozen=True)
class ControllerRun:
    """A controller start, followed by requests that run one after the other.

    Attributes:
        argv: Command line of the controller.
        environment: Additional environment.
        folder: Folder of the log and the report.
        requests: The requests.
        kill_start_at: Number of the change during the start before which the process is killed.
        kill_at: Number of the change after the start before which the process is killed.
        kill_after: Seconds after the return of power after which the process is killed.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    requests: tuple[Request, ...] = ()
    kill_start_at: int | None = None
    kill_at: int | None = None
    kill_after: float | None = None

    @property
    def log(self) -> Path:
        return self.folder / "controller.log"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"


@dataclass(frozen=True)
class StackPower:
    """Power of a stack, as shown by the pages and the API."""

    power: str
    mismatch: str


@dataclass(frozen=True)
class Report:
    """Power and relay moves of the stacks.

    Attributes:
        started: Power after the start.
        relay_moves: Relay moves until then.
        returned_moves: Relay moves until the power of interrupted power cycles has returned.
        returned_after: Seconds from the start of the process until then.
        finished: Power at the end.
    """

    started: list[StackPower]
    relay_moves: list[int]
    returned_moves: list[int]
    returned_after: float
    finished: list[StackPower]


def run(run: ControllerRun) -> Report | None:
    """Run a controller in a forked process. Return its report, or None if it was killed."""
    process = fork_server().Process(target=_main, args=(run,))
    with processes_lock:
        process.start()
    wait_until(lambda: _exit_status(process) is not None, _END_SECONDS)
    status = _exit_status(process)
    assert status in {0, -signal.SIGKILL}, f"exit status {status}: {run.log.read_text()}"
    if status != 0:
        return None
    values = json.loads(run.report.read_text())
    for key in ("started", "finished"):
        values[key] = [StackPower(**stack) for stack in values[key]]
    return Report(**values)


def _exit_status(process: BaseProcess) -> int | None:
    with processes_lock:
        return process.exitcode


class _ChangeCounter:
    """Counter of changes that kills this process before a chosen change.

    When the process is killed, a pin request is complete or not sent, as for a real pin.
    """

    def __init__(self) -> None:
        self._kill_at: int | None = None
        self._count = 0
        self._lock = threading.RLock()
        self._send = control.send
        counter = self

        class CountingConnection(sqlite3.Connection):
            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                if not sql.startswith(_READS) and (sql == "COMMIT" or not self.in_transaction):
                    counter._add_change()
                return super().execute(sql, *arguments)

        _replace(sqlite3, "connect", partial(sqlite3.connect, factory=CountingConnection))
        _replace(control, "send", self._count_and_send)

    def restart(self, kill_at: int | None) -> None:
        with self._lock:
            self._count, self._kill_at = 0, kill_at

    def _add_change(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def _count_and_send(self, state: Path, request: control.Message) -> control.Message:
        with self._lock:
            if request["command"] == "set_pin":
                self._add_change()
            return self._send(state, request)


def _replace(module: ModuleType, name: str, value: object) -> None:
    setattr(module, name, value)


def _main(run: ControllerRun) -> None:
    """Run a controller, and end this process with its threads if this fails."""
    keep_shared_memory()
    with run.log.open("w", encoding="utf-8") as log:
        sys.stdout = sys.stderr = log
        try:
            _run(run)
        except Exception:  # noqa: BLE001 - reported with the log
            traceback.print_exc()
            log.flush()
            os._exit(1)


def _run(run: ControllerRun) -> None:
    started_at = time.monotonic()
    os.environ.update(run.environment)
    counter = _ChangeCounter()
    counter.restart(run.kill_start_at)
    _replace(latest, "MAX_STATE_AGE_SECONDS", 0.0)
    options = ControllerOptions(**parse_command(controller, run.argv).params)
    aliases = load_aliases(DEFAULT_PATH)
    rack, database = load(options.rack), Database(options.db)
    outlets = Outlets(rack, database)
    components = bootstrap.build_controller(options, rack, aliases, database, outlets)
    dependencies = components.dependencies
    dependencies.orders.start()
    dependencies.experiments.start()
    counter.restart(run.kill_at)
    state = Path(run.environment["PIRACK_VIRTUAL_RACK"])
    moves, started = _relay_moves(state), _stacks(dependencies)
    components.power_return.start()
    wait_until(lambda: not _has_interrupted_cycle(rack, database), _END_SECONDS)
    returned_moves, returned_after = _relay_moves(state), time.monotonic() - started_at
    if run.kill_after is not None:
        timer = threading.Timer(run.kill_after, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    for request in run.requests:
        _submit(dependencies, request)
    if run.kill_after is not None:
        timer.join()
    report = Report(started, moves, returned_moves, returned_after, _stacks(dependencies))
    run.report.write_text(json.dumps(asdict(report)))
    dependencies.experiments.close()
    components.power_return.close()
    dependencies.installation.close()
    dependencies.orders.close()


def _relay_moves(state: Path) -> list[int]:
    status = control.send(state, {"command": "status"})
    return [stack["relay_moves"] for stack in status["stacks"].values()]


def _has_interrupted_cycle(rack: Rack, database: Database) -> bool:
    powers = commanded_power.load_all(database, rack).values()
    return any(power.on_again_at is not None for power in powers)


def _submit(dependencies: Dependencies, request: Request) -> None:
    """Submit a request, and wait until it finishes."""
    if isinstance(request, KilledExperiment):
        _run_until_killed(dependencies.experiments, request)
    if isinstance(request, OrderRequest | PlannedCycle):
        orders, timing = dependencies.orders, None
        if isinstance(request, PlannedCycle):
            timing = PowerTiming(request.off_seconds, seconds_since_boot() + request.in_seconds)
            request = request.request
        number = orders.submit_plan(orders.plan(request), "tester", "", timing=timing).id
        while not orders.get(number).state.is_over:
            time.sleep(_POLL_SECONDS)
        return
    installation = dependencies.installation
    if request == INSTALL:
        installation.start(DEFAULT_STRATEGY, Requester("tester"))
    else:
        installation.stop(Requester("tester"))
    while installation.is_running:
        time.sleep(_POLL_SECONDS)


def _run_until_killed(experiments: ExperimentService, killed: KilledExperiment) -> None:
    run = experiments.run(ExperimentRequest("killed.toml", killed.text, seed=1), "tester")
    is_timer_started = False
    while not experiments.get(run.id).state.is_over:
        experiments.renew(run.id, [], [])
        if experiments.get(run.id).state is RunState.FAULTS and not is_timer_started:
            is_timer_started = True
            threading.Timer(killed.kill_after, os.kill, (os.getpid(), signal.SIGKILL)).start()
        time.sleep(_POLL_SECONDS)
    # On a busy machine, an order may be too late for its planned time, which aborts the run.
    if not is_timer_started:
        raise AssertionError(f"the run ended before its faults: {experiments.get(run.id).reason}")
    signal.pause()


def _stacks(dependencies: Dependencies) -> list[StackPower]:
    return [StackPower(stack.power, stack.power_mismatch) for stack in dependencies.state().stacks]
