"""Answers to the controller's requests, from commands that run on the user's machine.

The controller asks which node a place is, or whether a probe succeeds. Only commands of the local
plan file run.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.experiments.local_plan import LocalPlan
from cli.experiments.models import ApiRunRequest
from cli.experiments.user_command import Node, UserCommand, UserCommandError
from cli.experiments.user_process import UserProcess, describe_exit, last_line

_MAX_SECONDS = 60.0
_MAX_OUTPUT_BYTES = 64 * 2**10
_PLACE = "place"

Answer = dict[str, Any]


@dataclass(frozen=True)
class _RunningRequest:
    request: ApiRunRequest
    process: UserProcess
    ends_at: float


class RequestCommands:
    """Commands of the controller's requests. Each request is run once.

    Args:
        plan: Plan file, of which the commands are.
        nodes: Nodes of the run.
        folder: Folder of the run, for the output of the commands.
        history: File of the history.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        plan: LocalPlan,
        nodes: Sequence[Node],
        folder: Path,
        history: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._nodes = nodes
        self._folder = folder
        self._history = history
        self._clock = clock
        self._seen: set[int] = set()
        self._running: list[_RunningRequest] = []
        self._answers: list[Answer] = []

    def accept(self, requests: Iterable[ApiRunRequest]) -> None:
        """Start the commands of new requests."""
        for request in requests:
            if request.id not in self._seen:
                self._seen.add(request.id)
                self._start(request)

    @property
    def has_answers(self) -> bool:
        """Whether an answer is complete."""
        self._poll()
        return bool(self._answers)

    def take_answers(self) -> list[Answer]:
        """Return the answers that are complete since the last call."""
        self._poll()
        answers, self._answers = self._answers, []
        return answers

    def return_answers(self, answers: Iterable[Answer]) -> None:
        """Keep answers that could not be sent."""
        self._answers = [*answers, *self._answers]

    def close(self) -> None:
        """Kill the running commands."""
        for running in self._running:
            running.process.kill()
        self._running = []

    def _start(self, request: ApiRunRequest) -> None:
        try:
            process = UserProcess(
                self._command(request).arguments(self._nodes, self._history),
                self._plan.folder,
                self._folder / self._output_name(request),
            )
        except UserCommandError as error:
            self._answers.append(_failure(request, str(error)))
        else:
            seconds = min(max(request.deadline, 0.0), _MAX_SECONDS)
            self._running.append(_RunningRequest(request, process, self._clock() + seconds))

    def _command(self, request: ApiRunRequest) -> UserCommand:
        if request.kind == _PLACE:
            command = self._plan.places.get(request.name)
        else:
            probes = (probe for probe in self._plan.probes if probe.text == request.command)
            command = next(probes, None)
        if command is None:
            raise UserCommandError(f"the plan file has no command for this {request.kind}")
        return command

    def _output_name(self, request: ApiRunRequest) -> str:
        """Return a name of its own for a place, and one for all requests of a probe."""
        if request.kind == _PLACE:
            return f"place-{request.id}"
        texts = [probe.text for probe in self._plan.probes]
        return f"probe-{texts.index(request.command) + 1}"

    def _poll(self) -> None:
        still_running = []
        for running in self._running:
            if (status := running.process.poll()) is not None:
                self._answers.append(self._answer(running, status))
            elif self._clock() > running.ends_at:
                running.process.kill()
                self._answers.append(_failure(running.request, "its time is over"))
            else:
                still_running.append(running)
        self._running = still_running

    def _answer(self, running: _RunningRequest, status: int) -> Answer:
        request, process = running.request, running.process
        if status != 0:
            line = last_line(process.stderr_file)
            return _failure(request, f"{describe_exit(status)}{line and f': {line}'}")
        if request.kind != _PLACE:
            return {"id": request.id, "ok": True, "detail": ""}
        with process.stdout_file.open("rb") as output:
            text = output.read(_MAX_OUTPUT_BYTES).decode(errors="replace")
        try:
            return {"id": request.id, "nodes": named_nodes(text, self._nodes), "detail": ""}
        except ValueError as error:
            return _failure(request, str(error))


def named_nodes(output: str, nodes: Sequence[Node]) -> list[str]:
    """Return the names of the nodes that the command of a place printed, as names or addresses.

    Raises:
        ValueError: If a word of the output is not a node, or there is none.
    """
    names = {key: node.name for node in nodes for key in (node.name, node.address)}
    found: dict[str, None] = {}
    for word in output.split():
        if word not in names:
            raise ValueError(f"it printed {word[:40]!r}, which is not a node")
        found[names[word]] = None
    if not found:
        raise ValueError("it printed no node")
    return list(found)


def _failure(request: ApiRunRequest, detail: str) -> Answer:
    if request.kind == _PLACE:
        return {"id": request.id, "nodes": [], "detail": detail}
    return {"id": request.id, "ok": False, "detail": detail}
