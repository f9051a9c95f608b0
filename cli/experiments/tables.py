"""Tables of plans, runs and their events."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from cli import tables
from cli.confirm import affected_text
from cli.experiments.comparison import Difference
from cli.experiments.models import (
    ApiDryRun,
    ApiPlannedFault,
    ApiRun,
    ApiRunEnergy,
    ApiRunEvent,
    ApiRunSummary,
)
from cli.tables import cell, format_time
from rack.names import stack_name
from rack.terminal import make_table
from rack.units import format_energy

_LOST = "lost"


def dry_run(response: ApiDryRun) -> RenderableType:
    """Return a plan, its faults and what goes down."""
    plan = response.plan
    return Group(
        Text.assemble(
            (str(cell(plan.name)), "bold"),
            f", seed {plan.seed}: {len(plan.nodes)} rasps of {_stacks(plan.stacks)},"
            f" {response.duration:.0f} s after the steady state",
        ),
        fault_table(plan.faults),
        cell(affected_text(response.goes_down), "bold"),
        cell(f"plan {response.plan_hash}"),
    )


def fault_table(faults: Iterable[ApiPlannedFault]) -> RenderableType:
    """Return a table with a row for each fault of a plan."""
    table = make_table("FAULT", "AT", "KIND", "OFF", "RASPS")
    for fault in faults:
        table.add_row(
            cell(fault.number),
            cell(_seconds(fault.at)),
            cell(fault.action or fault.kind),
            cell(_seconds(fault.seconds_off)),
            cell(_targets(fault)),
        )
    return table


def run_table(runs: Iterable[ApiRunSummary]) -> RenderableType:
    """Return a table with a row for each run."""
    table = make_table("RUN", "STARTED", "ACTOR", "NAME", "SEED", "STATE", "RESULT", "DETAIL")
    for run in runs:
        table.add_row(
            cell(run.id),
            cell(format_time(run.started_at)),
            cell(run.actor),
            cell(run.name),
            cell(run.seed),
            cell(run.state),
            colored_result(run.result) if run.has_ended else cell(None),
            cell(run.summary),
        )
    return table


def run_details(run: ApiRun, events: Sequence[ApiRunEvent], record: Path | None) -> RenderableType:
    """Return a run, its faults and its events.

    Args:
        run: The run.
        events: Its events.
        record: Folder of its record on this machine, or None.
    """
    fields = make_table()
    for name, value in (
        ("actor", run.actor),
        ("started", format_time(run.started_at)),
        ("finished", None if run.finished_at is None else format_time(run.finished_at)),
        ("stacks", " ".join(map(stack_name, run.plan.stacks))),
        ("replay of", run.replay_of),
        ("energy", _energy(run.energy)),
        ("plan", run.plan_hash),
        ("record", record),
    ):
        fields.add_row(Text(name, "bold"), cell(value))
    history = make_table("TIME", "KIND", "FAULT", "DETAIL")
    for event in events:
        history.add_row(
            cell(f"{event.time - run.started_at:.2f} s"),
            cell(event.kind),
            cell(event.fault),
            cell(event.text),
        )
    parts: list[RenderableType] = [
        run_line(run),
        fields,
        Text(),
        fault_table(run.plan.faults),
        Text(),
    ]
    if run.energy is not None and run.energy.joules is not None:
        parts += [_energy_table(run.energy), Text()]
    return Group(*parts, history)


def run_line(run: ApiRunSummary) -> Text:
    """Return a run in one line."""
    line = Text.assemble((f"run {run.id}", "bold"), f": {cell(run.name)}, seed {run.seed}: ")
    line.append(cell(run.state))
    if run.has_ended:
        line.append(", ").append_text(colored_result(run.result))
    if run.summary:
        line.append(f": {cell(run.summary)}")
    return line


def difference_table(differences: Iterable[Difference], first: str, second: str) -> RenderableType:
    """Return a table with a row for each compared value. Values that differ are bold."""
    table = make_table("", "", first, second)
    section = ""
    for row in differences:
        style = "bold" if row.differs else ""
        table.add_row(
            cell("" if row.section == section else row.section),
            cell(row.name),
            cell(row.first, style),
            cell(row.second, style),
        )
        section = row.section
    return table


def colored_result(result: str) -> Text:
    """Return the result of a run in its color. A loss is in capital letters."""
    if result == _LOST:
        return cell(result.upper(), "bold red")
    return tables.colored(result)


def _energy(energy: ApiRunEnergy | None) -> str | None:
    """Return the energy of a run, or None before its end."""
    if energy is None:
        return None
    return _measured(energy.joules, is_complete=energy.is_complete)


def _energy_table(energy: ApiRunEnergy) -> RenderableType:
    """Return a table with a row for each stack of a run."""
    table = make_table("STACK", "ENERGY", "RASPS")
    for stack in energy.stacks:
        rasps = [
            f"{each.rasp} {_measured(each.joules)}"
            for each in energy.outlets
            if each.stack == stack.stack and each.rasp is not None
        ]
        table.add_row(
            cell(stack_name(stack.stack)),
            cell(_measured(stack.joules, is_complete=stack.is_complete)),
            cell(", ".join(rasps)),
        )
    return table


def _measured(joules: float | None, *, is_complete: bool = True) -> str:
    if joules is None:
        return "not measured"
    return f"{'' if is_complete else 'at least '}{format_energy(joules)}"


def _targets(fault: ApiPlannedFault) -> str:
    if fault.place:
        return f"the {fault.place} at that time"
    return " ".join(fault.rasps)


def _stacks(numbers: Sequence[int]) -> str:
    return f"{'stack' if len(numbers) == 1 else 'stacks'} {' '.join(map(stack_name, numbers))}"


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.2f} s"
