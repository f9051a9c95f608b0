"""An install, while it runs and at its end, as tables for people."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import tables
from cli.tables import Answer, cell

_LAST_STEPS = 6
_BAR_WIDTH = 30


def progress(answer: Answer) -> RenderableType:
    """Return how far an install is: stacks, rasps found, time left, and what was done last."""
    bars = Table.grid(padding=(0, 1))
    for name, done, total in (
        ("stacks", answer["stacks_done"], answer["stacks_total"]),
        ("rasps found", answer["rasps_found"], answer["rasps_total"]),
    ):
        bar = ProgressBar(total=int(total) or 1, completed=int(done), width=_BAR_WIDTH)
        bars.add_row(Text(name), bar, f"{int(done)} of {int(total)}")
    steps = Group(*(_step(step) for step in answer["steps"][-_LAST_STEPS:]))
    return Group(_headline(answer), bars, steps)


def result(answer: Answer) -> RenderableType:
    """Return what an install has found and what it has not or, while it runs, how far it is."""
    parts: list[RenderableType] = [_headline(answer)]
    if answer["state"] in {"running", "stopping"}:
        stacks = f"{answer['stacks_done']} of {answer['stacks_total']} stacks"
        rasps = f"{answer['rasps_found']} of {answer['rasps_total']} rasps found"
        return Group(*parts, cell(f"{stacks}, {rasps}"), *map(_step, answer["steps"]))
    if answer["found"]:
        table = tables.headed("STACK", "MACS")
        for stack, macs in sorted(answer["found"].items(), key=lambda pair: int(pair[0])):
            table.add_row(cell(stack), cell(" ".join(macs)))
        parts.append(table)
    parts += [cell(line, "yellow") for line in _doubts(answer)]
    if answer["diff"]:
        parts += [_diff_line(line) for line in answer["diff"].splitlines()]
    elif answer["dry_run"]:
        parts.append(Text("no change of dhcpd.conf"))
    return Group(*parts)


def _headline(answer: Answer) -> Text:
    state = str(answer["state"])
    if state == "none":
        return Text("There was no install yet.")
    if answer["dry_run"]:
        return Text("Nothing was done. The rasps that are known now would give:")
    line = Text.assemble(f"{cell(answer['kind'])} ", (str(cell(answer["id"])), "bold"), ": ")
    line.append(tables.word(state))
    if answer["ended"] is None and answer["stage"]:
        line.append(f", {cell(answer['stage'])}")
    if answer["ended"] is None and answer["seconds_left"] is not None:
        line.append(f", {_duration(answer['seconds_left'])} left at most")
    if answer["trouble"]:
        line.append(f": {cell(answer['trouble'])}")
    return line


def _doubts(answer: Answer) -> list[str]:
    return [
        *(
            f"stack {stack}: {count} not found"
            for stack, count in answer["missing"].items()
            if count
        ),
        *(
            f"{mac}: may be in any of the stacks {', '.join(map(str, stacks))}"
            for mac, stacks in answer["conflicts"].items()
        ),
        *(f"{mac}: seen, and in no stack" for mac in answer["unplaced"]),
        *(f"{mac}: not a Raspberry Pi's, left alone" for mac in answer["strangers"]),
    ]


def _step(step: Answer) -> Text:
    return cell(f"{datetime.fromtimestamp(step['at']).astimezone():%H:%M:%S} {step['text']}", "dim")


def _diff_line(line: str) -> Text:
    return cell(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
