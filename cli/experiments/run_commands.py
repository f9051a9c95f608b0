"""Commands that run experiments."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from cli import confirm
from cli.api_client import ApiClient
from cli.experiments.api import RunRequest, fetch_nodes, fetch_plan, find_reservation
from cli.experiments.display import RunDisplay
from cli.experiments.local_plan import LocalPlan, parse_local_plan, read_plan_text
from cli.experiments.models import ApiRun
from cli.experiments.reserving import ReservedStacks
from cli.experiments.run_folders import RunFolders
from cli.experiments.seed_statistics import describe
from cli.experiments.seeds import seeds_of_option
from cli.experiments.session import Session
from cli.experiments.user_command import require_programs
from cli.output import as_json_option
from cli.reservation_models import ApiReservation
from cli.stop_request import StopRequest
from cli.tables import cell
from rack.terminal import EXIT_FAILED, printable

_LOST = "lost"
_OK = "ok"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--seeds",
    default="1",
    show_default=True,
    callback=seeds_of_option,
    help="Seeds, such as 7, 1-50 or 1-3,7.",
)
@click.option("--until-lost", is_flag=True, help="Stop after the first loss.")
@as_json_option
@click.pass_context
def run(
    context: click.Context, file: Path, *, seeds: list[int], until_lost: bool, as_json: bool
) -> None:
    """Run the experiment in FILE once for each seed.

    The stacks are reserved first, which can take a while. Ctrl-C stops the run safely.
    """
    client: ApiClient = context.obj()
    text = read_plan_text(file)
    requests = [RunRequest(file.name, text, seed) for seed in seeds]
    own, dry_run = find_reservation(client, requests[0])
    for request in requests[1:]:  # a seed may give faults that overlap
        fetch_plan(client, request, None if own is None else own.id)
    plan = parse_local_plan(text, file.name, file.resolve().parent)
    require_programs(plan.commands, plan.file, plan.folder)
    fetch_nodes(client, dry_run.data.plan.nodes)  # fails early if a node has no address
    context.exit(
        _run_all(client, plan, requests, own, plan.nodes, until_lost=until_lost, as_json=as_json)
    )


@click.command(short_help="Repeat run RUN with the same faults.")
@click.argument("number", metavar="RUN", type=click.IntRange(min=1))
@confirm.yes_option
@as_json_option
@click.pass_context
def replay(context: click.Context, number: int, *, yes: bool, as_json: bool) -> None:
    """Repeat run RUN on the same nodes, with the same faults at the same times and places.

    Its commands run in the folder of the plan file. The commands of a run that was not started on
    this machine run in the current folder, and have to be confirmed.
    """
    client: ApiClient = context.obj()
    original = client.get(f"experiments/{number}", ApiRun).data
    request = RunRequest(original.file, original.text, original.seed, replay_of=number)
    own, dry_run = find_reservation(client, request)
    folder = RunFolders().command_folder(number, original.text)
    plan = parse_local_plan(original.text, original.file, folder or Path.cwd())
    require_programs(plan.commands, plan.file, plan.folder)
    if folder is None and not yes:
        _confirm_commands(original, plan)
    fetch_nodes(client, dry_run.data.plan.nodes)
    stacks = f"stacks {' '.join(map(str, dry_run.data.plan.stacks))}"
    context.exit(_run_all(client, plan, [request], own, stacks, as_json=as_json))


def _confirm_commands(run: ApiRun, plan: LocalPlan) -> None:
    """Ask whether commands that another person may have written shall run on this machine."""
    texts = [command.text for command in plan.commands]
    if texts:
        question = f"run {run.id} of {run.actor} runs commands in {plan.folder}"
        confirm.ask(question, *map(cell, texts))


def _run_all(
    client: ApiClient,
    plan: LocalPlan,
    requests: Sequence[RunRequest],
    own: ApiReservation | None,
    selection: str,
    *,
    until_lost: bool = False,
    as_json: bool,
) -> int:
    """Run the requests one after the other and print the results. Return the exit status."""
    with (
        StopRequest() as stop,
        RunDisplay(plan.file, len(requests)) as display,
        ReservedStacks(
            client,
            selection,
            own,
            on_wait=display.waiting,
            is_stop_wanted=lambda: stop.is_wanted,
        ) as stacks,
    ):
        session = Session(client, plan, stacks, stop, display, RunFolders())
        try:
            for request in requests:
                outcome = session.run(request)
                if until_lost and outcome.result == _LOST:
                    break
        finally:
            display.close()
            _print_results(session, as_json=as_json)
    return 0 if all(outcome.result == _OK for outcome in session.outcomes) else EXIT_FAILED


def _print_results(session: Session, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(session.runs, indent=2))
    elif session.outcomes:
        for line in describe(session.outcomes):
            click.echo(printable(line))
