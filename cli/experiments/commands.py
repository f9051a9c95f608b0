"""The command group `pirack experiment`, and its commands that only use the controller."""

from pathlib import Path

import click

from cli import output
from cli.experiments import record_commands, run_commands, tables
from cli.experiments.api import RunRequest, fetch_events, find_reservation
from cli.experiments.local_plan import read_plan_text
from cli.experiments.models import ApiRun, ApiRunSummary
from cli.experiments.run_folders import RunFolders
from cli.models import ApiResponse
from cli.output import ClientFactory, as_json_option
from rack.terminal import CommandGroup

run_argument = click.argument("number", metavar="RUN", type=click.IntRange(min=1))


@click.group(cls=CommandGroup)
def experiment() -> None:
    """Run experiments with seeded power cuts.

    FILE is a plan in TOML. It selects nodes, faults and a check. A seed expands it to times and
    places. RUN is the number of a run.
    """


@experiment.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed.")
@as_json_option
@click.pass_obj
def plan(make_client: ClientFactory, file: Path, *, seed: int, as_json: bool) -> None:
    """Show what a run of FILE would do. Nothing is changed.

    The nodes are those of your reservation, or else free ones.
    """
    request = RunRequest(file.name, read_plan_text(file), seed)
    _, response = find_reservation(make_client(), request)
    output.print_response(response, tables.dry_run, as_json=as_json)


@experiment.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Maximum number."
)
@as_json_option
@click.pass_obj
def list_runs(make_client: ClientFactory, *, limit: int, as_json: bool) -> None:
    """List the latest runs."""
    response = make_client().get_pages("experiments", ApiRunSummary, limit)
    output.print_response(response, tables.run_table, as_json=as_json)


@experiment.command()
@run_argument
@as_json_option
@click.pass_obj
def show(make_client: ClientFactory, number: int, *, as_json: bool) -> None:
    """Show run RUN with its faults and events."""
    client = make_client()
    run = client.get(f"experiments/{number}", ApiRun)
    events = fetch_events(client, number)
    folder = RunFolders().find(number)
    output.print_response(
        ApiResponse({**run.json, "events": events.json}, run.data),
        lambda data: tables.run_details(data, events.data, folder),
        as_json=as_json,
    )


@experiment.command()
@run_argument
@as_json_option
@click.pass_obj
def stop(make_client: ClientFactory, number: int, *, as_json: bool) -> None:
    """Stop run RUN. The power of its stacks returns."""
    response = make_client().delete(f"experiments/{number}", ApiRunSummary)
    output.print_response(response, tables.run_line, as_json=as_json)


for _command in (
    run_commands.run,
    run_commands.replay,
    record_commands.compare,
    record_commands.export,
):
    experiment.add_command(_command)
