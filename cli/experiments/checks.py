"""Checks of the history of a run on the user's machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cli.experiments.history import HistoryError, read_history
from cli.experiments.local_plan import LocalPlan
from cli.experiments.models import ApiRunEvent
from cli.experiments.power_cuts import power_cuts
from cli.experiments.runner import HistoryOrigin
from cli.experiments.set_check import check
from cli.experiments.set_summary import summary
from cli.experiments.user_command import Node, UserCommandError
from cli.experiments.user_process import UserProcess
from cli.experiments.verdict import (
    CommandCheck,
    FinishedCheck,
    RunningCheck,
    ThreadCheck,
    Verdict,
)

_OUTPUT = "check"


def start_check(
    kind: str,
    plan: LocalPlan,
    nodes: Sequence[Node],
    history: Path,
    read_events: Callable[[], Sequence[ApiRunEvent]],
    origin: HistoryOrigin | None,
) -> RunningCheck:
    """Start the check of a run.

    Args:
        kind: Kind of the check: `none`, `set` or `command`.
        plan: The plan file on this machine.
        nodes: Nodes of the run.
        history: File of the history.
        read_events: Returns the events of the run.
        origin: Time 0 of the history, None without a client.
    """
    if kind == "command" and plan.check is not None:
        try:
            arguments = plan.check.arguments(nodes, history)
            return CommandCheck(UserProcess(arguments, plan.folder, history.with_name(_OUTPUT)))
        except UserCommandError as error:
            return FinishedCheck(Verdict("unknown", f"check: {error}"))
    if kind == "set" and origin is not None:
        events = read_events()
        return ThreadCheck(lambda: check_set(history, events, origin))
    if kind == "none":
        return FinishedCheck(Verdict("ok"))
    return FinishedCheck(Verdict("unknown", f"the plan file has no check of the kind {kind}"))


def check_set(history: Path, events: Sequence[ApiRunEvent], origin: HistoryOrigin) -> Verdict:
    """Return the verdict of the check `set`, with the cuts of power before the losses."""
    try:
        result = check(read_history(history))
    except HistoryError as error:
        return Verdict("unknown", str(error))
    line = summary(result, power_cuts(events, origin.monotonic), clock_error=origin.error)
    return Verdict(result.verdict, line, result.statistics())
