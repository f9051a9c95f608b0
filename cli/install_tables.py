"""An install, while it runs and at its end, as tables for people."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import tables
from cli.tables import JsonObject, cell

_SHOWN_STEPS = 6
_BAR_WIDTH = 30


def install_progress(installation: JsonObject) -> RenderableType:
    """Return how far an install is: stacks, rasps found, time left, and what was done last."""
    bars = Table.grid(padding=(0, 1))
    for name, done, total in (
        ("stacks", installation["stacks_done"], installation["stacks_total"]),
        ("rasps found", installation["rasps_found"], installation["rasps_total"]),
    ):
        bar = ProgressBar(total=int(total) or 1, completed=int(done), width=_BAR_WIDTH)
        bars.add_row(Text(name), bar, f"{int(done)} of {int(total)}")
    steps = Group(*(_step_line(step) for step in installation["steps"][-_SHOWN_STEPS:]))
    return Group(_headline(installation), bars, steps)


def install_result(installation: JsonObject) -> RenderableType:
    """Return what an install has found and what it has not or, while it runs, how far it is."""
    parts: list[RenderableType] = [_headline(installation)]
    if installation["state"] in {"running", "stopping"}:
        stacks = f"{installation['stacks_done']} of {installation['stacks_total']} stacks"
        rasps = f"{installation['rasps_found']} of {installation['rasps_total']} rasps found"
        return Group(*parts, cell(f"{stacks}, {rasps}"), *map(_step_line, installation["steps"]))
    if installation["found"]:
        table = tables.make_table("STACK", "MACS")
        for stack, macs in sorted(installation["found"].items(), key=lambda pair: int(pair[0])):
            table.add_row(cell(stack), cell(" ".join(macs)))
        parts.append(table)
    parts += [cell(line, "yellow") for line in _warnings(installation)]
    if installation["diff"]:
        parts += [_diff_line(line) for line in installation["diff"].splitlines()]
    elif installation["dry_run"]:
        parts.append(Text("no change of dhcpd.conf"))
    return Group(*parts)


def _headline(installation: JsonObject) -> Text:
    state = str(installation["state"])
    if state == "none":
        return Text("There was no install yet.")
    if installation["dry_run"]:
        return Text("Nothing was done. The rasps that are known now would give:")
    line = Text.assemble(
        f"{cell(installation['kind'])} ", (str(cell(installation["id"])), "bold"), ": "
    )
    line.append(tables.colored(state))
    if installation["ended"] is None and installation["stage"]:
        line.append(f", {cell(installation['stage'])}")
    if installation["ended"] is None and installation["seconds_left"] is not None:
        line.append(f", {_format_duration(installation['seconds_left'])} left at most")
    if installation["trouble"]:
        line.append(f": {cell(installation['trouble'])}")
    return line


def _warnings(installation: JsonObject) -> list[str]:
    return [
        *(
            f"stack {stack}: {count} not found"
            for stack, count in installation["missing"].items()
            if count
        ),
        *(
            f"{mac}: may be in any of the stacks {', '.join(map(str, stacks))}"
            for mac, stacks in installation["conflicts"].items()
        ),
        *(f"{mac}: seen, and in no stack" for mac in installation["unplaced"]),
        *(f"{mac}: not a Raspberry Pi's, left alone" for mac in installation["strangers"]),
    ]


def _step_line(step: JsonObject) -> Text:
    return cell(f"{datetime.fromtimestamp(step['at']).astimezone():%H:%M:%S} {step['text']}", "dim")


def _diff_line(line: str) -> Text:
    return cell(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
