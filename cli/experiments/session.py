"""The runs of one command, one after the other on the same reserved stacks."""

import json
from pathlib import Path
from typing import Any

from cli.api_client import ApiClient
from cli.experiments.api import RunRequest, fetch_events, fetch_nodes, fetch_plan, start_run
from cli.experiments.checks import start_check
from cli.experiments.display import RunDisplay
from cli.experiments.local_plan import LocalPlan
from cli.experiments.models import ApiRun
from cli.experiments.record import HISTORY_FILE, complete
from cli.experiments.record_files import save_from_controller
from cli.experiments.reserving import ReservedStacks
from cli.experiments.run_folders import FOLDER_FILE, PLAN_FILE, RunFolders
from cli.experiments.runner import Runner, RunProgress
from cli.experiments.seed_statistics import SeedOutcome
from cli.stop_request import StopRequest

_CLIENT_FILE = "client.json"


class Session:
    """The runs of one command.

    Args:
        client: Client of the API.
        plan: The plan file on this machine.
        stacks: The reserved stacks.
        stop: The wish of the user to stop.
        display: Shows the progress.
        folders: Folders of the runs.

    Attributes:
        outcomes: Outcomes of the runs that have ended.
        runs: These runs as JSON of the API.
    """

    def __init__(
        self,
        client: ApiClient,
        plan: LocalPlan,
        stacks: ReservedStacks,
        stop: StopRequest,
        display: RunDisplay,
        folders: RunFolders,
    ) -> None:
        self._client = client
        self._plan = plan
        self._stacks = stacks
        self._stop = stop
        self._display = display
        self._folders = folders
        self.outcomes: list[SeedOutcome] = []
        self.runs: list[Any] = []

    def run(self, request: RunRequest) -> SeedOutcome:
        """Run a plan and save the record of the run. Return its outcome.

        Raises:
            CommandError: If the plan is wrong.
            ControllerError: If the controller refuses the run, or is unavailable.
            KeyboardInterrupt: If the user wants to stop. A run that had started has ended.
        """
        if self._stop.is_wanted:
            raise KeyboardInterrupt
        plan = fetch_plan(self._client, request, self._stacks.id).data
        run = start_run(self._client, request, self._stacks.require(plan.longest_seconds))
        folder = self._folders.create(run.id)
        (folder / PLAN_FILE).write_text(request.text, encoding="utf-8")
        (folder / FOLDER_FILE).write_text(str(self._plan.folder), encoding="utf-8")
        runner = self._runner(run, folder)
        final = runner.complete()
        summary = runner.stop_reason or final.summary
        outcome = SeedOutcome(final.seed, final.id, final.result, summary)
        self.outcomes.append(outcome)
        self._display.finished(outcome)
        self._save_record(run.id, folder, runner)
        if self._stop.is_wanted:
            raise KeyboardInterrupt
        return outcome

    def _runner(self, run: ApiRun, folder: Path) -> Runner:
        nodes = fetch_nodes(self._client, run.plan.nodes)
        return Runner(
            self._client,
            self._plan,
            run,
            nodes,
            folder,
            start_check=lambda origin: start_check(
                run.plan.check.kind,
                self._plan,
                nodes,
                folder / HISTORY_FILE,
                lambda: fetch_events(self._client, run.id).data,
                origin,
            ),
            is_stop_wanted=self._is_stop_wanted,
            on_progress=self._on_progress,
        )

    def _on_progress(self, progress: RunProgress) -> None:
        self._stacks.renew()
        self._display.progress(progress)

    def _is_stop_wanted(self) -> bool:
        if self._stop.is_wanted:
            self._display.stopping()
        return self._stop.is_wanted

    def _save_record(self, run: int, folder: Path, runner: Runner) -> None:
        origin = runner.origin
        fields = {
            "exit_status": runner.client_exit_status,
            "origin_monotonic": None if origin is None else origin.monotonic,
            "origin_error": None if origin is None else origin.error,
        }
        (folder / _CLIENT_FILE).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        run_json, warnings = save_from_controller(self._client, run, folder)
        self.runs.append(run_json)
        for warning in (*warnings, *complete(folder)):
            self._display.line(warning)
