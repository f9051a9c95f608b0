"""Progress and result of an install."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import tables
from cli.models import ApiInstallation, ApiInstallStep
from cli.tables import cell
from rack.terminal import make_table

_SHOWN_STEPS = 6
_BAR_WIDTH = 30


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
    if installation.found:
        table = make_table("STACK", "MACS")
        for stack, macs in sorted(installation.found.items()):
            table.add_row(cell(stack), cell(" ".join(macs)))
        parts.append(table)
    parts += [cell(line, "yellow") for line in _warnings(installation)]
    if installation.diff:
        parts += [_diff_line(line) for line in installation.diff.splitlines()]
    elif installation.dry_run:
        parts.append(Text("dhcpd.conf does not change."))
    return Group(*parts)


def _headline(installation: ApiInstallation) -> Text:
    if installation.state == "none":
        return Text("There was no install yet.")
    if installation.dry_run:
        return Text("Dry run. Changes to dhcpd.conf for the known rasps:")
    line = Text.assemble(
        f"{cell(installation.kind)} ",
        (str(cell(installation.id)), "bold"),
        ": ",
        tables.colored(installation.state),
    )
    if installation.finished_at is None and installation.stage:
        line.append(f", {cell(installation.stage)}")
    if installation.finished_at is None and installation.seconds_left is not None:
        line.append(f", at most {_format_duration(installation.seconds_left)} left")
    if installation.error:
        line.append(f": {cell(installation.error)}")
    return line


def _warnings(installation: ApiInstallation) -> list[str]:
    return [
        *(
            f"stack {stack}: {count} not found"
            for stack, count in installation.missing.items()
            if count
        ),
        *(
            f"{mac}: may be in any of the stacks {', '.join(map(str, stacks))}"
            for mac, stacks in installation.conflicts.items()
        ),
        *(f"{mac}: detected, but not in any stack" for mac in installation.unplaced),
        *(f"{mac}: not a Raspberry Pi, ignored" for mac in installation.other_vendor_macs),
    ]


def _step_line(step: ApiInstallStep) -> Text:
    return cell(f"{tables.format_time(step.time, '%H:%M:%S')} {step.text}", "dim")


def _diff_line(line: str) -> Text:
    return cell(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
