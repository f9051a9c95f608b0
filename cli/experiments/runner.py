"""One run of an experiment, as the user's machine takes part in it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.api_client import ApiClient, ControllerError
from cli.experiments.duties import Duty, Situation, next_duty
from cli.experiments.lease import Lease
from cli.experiments.load_client import LoadClient
from cli.experiments.local_plan import LocalPlan
from cli.experiments.models import ApiRun, ApiRunSummary
from cli.experiments.rates import HistoryRates
from cli.experiments.record import HISTORY_FILE
from cli.experiments.request_commands import RequestCommands
from cli.experiments.user_command import Node
from cli.experiments.verdict import FinishedCheck, RunningCheck, Verdict

_TICK = 0.1
_OUTAGE_SECONDS = 60.0  # a restart of the controller takes less
_STOP_OUTAGE_SECONDS = 10.0  # then the run ends without its lease
_CHECKED_BY_CONTROLLER = "promql"


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run.

    Attributes:
        run: The run, as the controller last returned it.
        is_connected: Whether the controller responds.
        operations: Number of operations of the history with each outcome.
    """

    run: ApiRunSummary
    is_connected: bool
    operations: Mapping[str, int]


@dataclass(frozen=True)
class HistoryOrigin:
    """Clock of the controller at time 0 of a history.

    Attributes:
        monotonic: Monotonic seconds.
        error: Bound of its error in seconds.
    """

    monotonic: float
    error: float


StartCheck = Callable[[HistoryOrigin | None], RunningCheck]


class Runner:
    """The user's part of one run: client, check, and answers to the controller.

    Args:
        client: Client of the API.
        plan: The plan file on this machine.
        run: The run, as it was started.
        nodes: Nodes of the run.
        folder: Folder of the run, for the history and the output of commands.
        start_check: Starts the check of the history.
        is_stop_wanted: Returns whether the user wants to stop the run.
        on_progress: Receives the progress of the run.

    Attributes:
        origin: Time 0 of the history, None before the start of the client.
        stop_reason: Why this machine has stopped the run, or an empty text.
    """

    def __init__(
        self,
        client: ApiClient,
        plan: LocalPlan,
        run: ApiRun,
        nodes: Sequence[Node],
        folder: Path,
        *,
        start_check: StartCheck,
        is_stop_wanted: Callable[[], bool],
        on_progress: Callable[[RunProgress], None],
    ) -> None:
        history = folder / HISTORY_FILE
        self._api = client
        self._lease = Lease(client, run)
        self._history = history
        self._rates: HistoryRates | None = None
        self.origin: HistoryOrigin | None = None
        self.stop_reason = ""
        self._requests = RequestCommands(plan, nodes, folder, history)
        self._client = (
            None
            if plan.client is None
            else LoadClient(plan.client.arguments(nodes, history), plan.folder, folder)
        )
        self._sends_verdict = run.plan.check.kind != _CHECKED_BY_CONTROLLER
        self._start_check = start_check
        self._is_stop_wanted = is_stop_wanted
        self._on_progress = on_progress
        self._check: RunningCheck | None = None
        self._verdict: Verdict | None = None
        self._is_verdict_sent = False
        self._is_stop_sent = False

    def complete(self) -> ApiRunSummary:
        """Take part in the run until it has ended. Return it.

        Raises:
            ControllerError: If the controller is unavailable for a minute, or after a wish to stop.
        """
        try:
            while (duty := next_duty(self._situation())) is not Duty.FINISH:
                self._fulfill(duty)
                if self._lease.is_due or (
                    self._lease.outage is None and self._requests.has_answers
                ):
                    self._renew_lease()
                self._lease.require_connection(
                    _STOP_OUTAGE_SECONDS if self._is_stop_wanted() else _OUTAGE_SECONDS
                )
                time.sleep(_TICK)
        finally:
            self._close()
        return self._lease.run

    @property
    def client_exit_status(self) -> int | None:
        """Exit status of the client, None without a client that has ended."""
        return None if self._client is None else self._client.status.exit_status

    @property
    def client_problem(self) -> str:
        """Why the history of the client cannot be checked, or an empty text."""
        return "" if self._client is None else self._client.problem

    def _situation(self) -> Situation:
        if self._check is not None and self._verdict is None:
            self._verdict = self._check.poll()
        return Situation(
            run_state=self._lease.run.state,
            client=None if self._client is None else self._client.status,
            sends_verdict=self._sends_verdict,
            is_check_started=self._check is not None,
            has_verdict=self._verdict is not None,
            is_verdict_sent=self._is_verdict_sent,
            is_stop_wanted=self._is_stop_wanted(),
            is_stop_sent=self._is_stop_sent,
        )

    def _fulfill(self, duty: Duty) -> None:
        client = self._client
        match duty:
            case Duty.START_CLIENT if client is not None:
                self._start_client(client)
            case Duty.STOP_CLIENT if client is not None:
                client.stop()
            case Duty.KILL_CLIENT if client is not None:
                client.kill()
            case Duty.START_CHECK:
                self._check = self._make_check()
            case Duty.SEND_VERDICT if self._verdict is not None:
                self._renew_lease()  # with the last rates of the client
                self._is_verdict_sent = self._lease.send_verdict(self._verdict)
            case Duty.STOP_RUN:
                self._is_stop_sent = self._lease.stop_run()
                self.stop_reason = "stopped" if self._is_stop_wanted() else self.client_problem

    def _start_client(self, client: LoadClient) -> None:
        client.start()
        offset = self._lease.clock_offset
        self.origin = HistoryOrigin(client.started_at + offset.seconds, offset.error)
        self._rates = HistoryRates(self._history, self.origin.monotonic)

    def _make_check(self) -> RunningCheck | None:
        """Start the check. Return None if it has to be tried again."""
        if problem := self.client_problem:
            return FinishedCheck(Verdict("unknown", problem))
        try:
            return self._start_check(self.origin)
        except ControllerError as error:
            self._lease.outage = error
            return None

    def _renew_lease(self) -> None:
        """Send new rates and answers, and start the commands of new requests."""
        rates = [] if self._rates is None else self._rates.take_changes()
        answers = self._requests.take_answers()
        requests = self._lease.renew(rates, answers)
        if requests is not None:
            self._requests.accept(requests)
        else:
            self._requests.return_answers(answers)
            if self._rates is not None:
                self._rates.return_changes(rates)
        self._on_progress(
            RunProgress(
                run=self._lease.run,
                is_connected=requests is not None,
                operations={} if self._rates is None else self._rates.totals,
            )
        )

    def _close(self) -> None:
        self._requests.close()
        if self._client is not None and self._client.status.is_running:
            self._client.kill()
        if self._check is not None:
            self._check.close()
