"""Progress and result of an install."""

from collections.abc import Iterable, Iterator, Mapping

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import tables
from cli.models import ApiInstallation, ApiInstallStep
from cli.tables import cell
from rack.fitted_table import FittedTable
from rack.names import rasp_name, stack_name
from rack.terminal import make_table

_SHOWN_STEPS = 6
_BAR_WIDTH = 30
_EVIDENCE_TEXTS: Mapping[str, str] = {
    "outlet": "its outlet alone",
    "row_and_column": "its row and its column",
}


def install_progress(installation: ApiInstallation, _: int) -> RenderableType:
    """Return the progress bars and the latest steps of an install."""
    bars = Table.grid(padding=(0, 1))
    for name, done, total in (
        ("stacks", installation.stacks_done, installation.stacks_total),
        ("rasps found", installation.rasps_found, installation.rasps_total),
    ):
        bar = ProgressBar(total=total or 1, completed=done, width=_BAR_WIDTH)
        bars.add_row(Text(name), bar, f"{done} of {total}")
    return Group(
        _headline(installation), bars, *map(_step_line, installation.steps[-_SHOWN_STEPS:])
    )


def install_result(installation: ApiInstallation) -> RenderableType:
    """Return the result of an install, or all its steps while it runs."""
    parts: list[RenderableType] = [_headline(installation)]
    if not installation.is_finished:
        stacks = f"{installation.stacks_done} of {installation.stacks_total} stacks"
        rasps = f"{installation.rasps_found} of {installation.rasps_total} rasps found"
        return Group(*parts, cell(f"{stacks}, {rasps}"), *map(_step_line, installation.steps))
    macs_without_slots = _macs_without_slots(installation)
    if slots := _found_slots(installation):
        parts.append(_table(("SLOT", "MAC", "FOUND BY SWITCHING"), slots))
    if macs_without_slots:
        rows = [(stack, " ".join(macs)) for stack, macs in macs_without_slots.items()]
        parts.append(_table(("STACK", "MACS"), rows))
    parts += [cell(line, "yellow") for line in _warnings(installation)]
    parts += map(cell, _next_steps(installation, macs_without_slots))
    if installation.diff:
        parts += [_diff_line(line) for line in installation.diff.splitlines()]
    elif installation.dry_run:
        parts.append(Text("dhcpd.conf does not change."))
    return Group(*parts)


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> FittedTable:
    table = make_table(*columns)
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def _headline(installation: ApiInstallation) -> Text:
    if installation.state == "none":
        return Text("There was no install yet.")
    if installation.dry_run:
        return Text("Dry run. Changes to dhcpd.conf for the known rasps:")
    line = Text.assemble(
        f"{cell(installation.kind)} ",
        (str(cell(installation.id)), "bold"),
        ": ",
        cell(installation.outcome, "yellow")
        if installation.rasps_missing
        else tables.colored(installation.state),
    )
    if installation.finished_at is None and installation.stage:
        line.append(f", {cell(installation.stage)}")
    left = installation.seconds_left or 0
    if installation.finished_at is None and left >= 1:  # otherwise longer than estimated
        line.append(f", at most {_format_duration(left)} left")
    if installation.error:
        line.append(f": {cell(installation.error)}")
    return line


def _found_slots(installation: ApiInstallation) -> list[tuple[str, str, str]]:
    """Return the name, the MAC address and the evidence of each slot that was found."""
    found = sorted(
        (stack, installation.slots[mac], mac)
        for stack, macs in installation.found.items()
        for mac in macs
        if mac in installation.slots
    )
    evidence = installation.slot_evidence
    return [
        (rasp_name(stack, slot), mac, _EVIDENCE_TEXTS.get(evidence.get(mac, ""), ""))
        for stack, slot, mac in found
    ]


def _macs_without_slots(installation: ApiInstallation) -> dict[int, list[str]]:
    """Return the MAC addresses found in each stack whose slots were not found."""
    without_slots = {
        stack: [mac for mac in macs if mac not in installation.slots]
        for stack, macs in sorted(installation.found.items())
    }
    return {stack: macs for stack, macs in without_slots.items() if macs}


def _warnings(installation: ApiInstallation) -> list[str]:
    if installation.state != "done":  # discovery may not be complete
        return []
    return [
        *(
            f"stack {stack}: {count} not found{_slots_of(stack, installation.missing_slots)}"
            for stack, count in installation.missing.items()
            if count
        ),
        *(f"{mac}: {_conflict_text(names)}" for mac, names in installation.conflicts.items()),
        *(f"{mac}: detected, but at no outlet" for mac in installation.unplaced),
        *(f"{mac}: not a Raspberry Pi, ignored" for mac in installation.other_vendor_macs),
    ]


def _slots_of(stack: int, names: list[str]) -> str:
    own = [name for name in names if name.startswith(f"{stack_name(stack)}-")]
    return f" ({', '.join(own)})" if own else ""


def _conflict_text(names: list[str]) -> str:
    if len(names) == 1:
        return f"one of several rasps at the outlet of {names[0]}"
    return f"may be at any of the outlets of {', '.join(names)}"


def _next_steps(
    installation: ApiInstallation, macs_without_slots: Mapping[int, list[str]]
) -> Iterator[str]:
    """Yield what the user does next."""
    if installation.state == "interrupted" and installation.finished_at is None:
        if installation.outlets_to_restore:
            yield f"power changed and not restored: {' '.join(installation.outlets_to_restore)}"
        yield "To recover, run `pirack install --stop` or start a new install."
    unknown = [
        stack
        for stack, macs in macs_without_slots.items()
        if len(macs) + installation.missing.get(stack, 0) > 1
    ]
    if installation.state == "done" and unknown:
        first, names = unknown[0], ", ".join(map(str, unknown))
        yield (
            f"Only the stack was found of the rasps in stack{'s' * (len(unknown) > 1)} {names},"
            f" because they share an outlet: find each with `pirack identify {first}/1`, and"
            f" correct its slot with `pirack swap {first}/1 {first}/2`."
        )


def _step_line(step: ApiInstallStep) -> Text:
    return cell(f"{tables.format_time(step.time, '%H:%M:%S')} {step.text}", "dim")


def _diff_line(line: str) -> Text:
    return cell(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
