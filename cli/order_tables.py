"""Orders, and what came of them, as tables for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from cli import tables
from cli.tables import Answer, cell

_SHOWN_TARGETS = 4
_BESIDE_THE_ROWS = 4  # lines: the summary, the head, what is left out, the cursor's


def order(answer: Answer) -> RenderableType:
    """Return an order and what came of it for each target."""
    parts: list[RenderableType] = [summary(answer)]
    if answer["results"]:
        table = tables.headed("TARGET", "RESULT", "WHY")
        for each in answer["results"]:
            first, *more = _told(each) or [""]
            table.add_row(cell(each["target"]), _result(each), cell(first))
            for line in more:
                table.add_row("", "", cell(line))
        parts.append(table)
    return Group(*parts)


def progress(answer: Answer, height: int) -> RenderableType:
    """Return how far an order is, in no more lines than a terminal has: what is still open."""
    open_ones = [each for each in answer["results"] if each["result"] is None]
    shown = open_ones[: max(height - _BESIDE_THE_ROWS, 1)]
    table = tables.headed()
    for each in shown:
        table.add_row(cell(each["target"]), cell(each["stage"]))
    parts: list[RenderableType] = [summary(answer), table]
    if left := len(open_ones) - len(shown):
        parts.append(cell(f"and {left} more"))
    return Group(*parts)


def orders(answers: Iterable[Answer]) -> RenderableType:
    """Return a row for each order."""
    table = tables.headed("ORDER", "BEGAN", "WHO", "ACTION", "TARGETS", "STATE", "RESULT")
    for each in answers:
        table.add_row(
            cell(each["id"]),
            cell(moment(each["began"])),
            cell(each["who"]),
            cell(each["alias"] or each["action"]),
            cell(_few(each["targets"])),
            cell(each["state"]),
            tables.word(each["result"] or "-"),
        )
    return table


def audit(events: Iterable[Answer]) -> RenderableType:
    """Return a row for each event of the audit."""
    table = tables.headed("AT", "WHO", "FROM", "WHAT", "TARGETS", "RESULT", "WHY")
    for each in events:
        table.add_row(
            cell(moment(each["at"])),
            cell(each["who"]),
            cell(each["origin"]),
            cell(each["what"]),
            cell(each["targets"]),
            tables.word(each["result"]),
            cell(each["detail"]),
        )
    return table


def preview(answer: Answer) -> RenderableType:
    """Return what an order would do, by name."""
    names = " ".join(map(str, answer["takes_down"]))
    hits = cell(f"It takes down {len(answer['takes_down'])} rasps: {names}", "bold")
    return Group(hits if names else Text("It takes no rasp down."), *about(answer))


def about(answer: Answer) -> list[Text]:
    """Return what else there is to tell of what an order would do, a line each."""
    lines = []
    if answer["already_down"]:
        lines.append(cell(f"Down already: {' '.join(answer['already_down'])}"))
    if answer["stacks"]:
        lines.append(cell(f"Stacks: {' '.join(map(str, answer['stacks']))}"))
    return lines + [cell(warning, "yellow") for warning in answer["warnings"]]


def summary(answer: Answer) -> Text:
    """Return an order in one line."""
    line = Text.assemble(
        (f"order {int(answer['id'])}", "bold"),
        f": {cell(answer['alias'] or answer['action'])} of {cell(_few(answer['targets']))}: ",
    )
    counts: Mapping[str, int] = answer["counts"]
    parts = [
        tables.word(name, f"{int(counts[name])} {words}")
        for name, words in (
            ("ok", "ok"),
            ("failed", "failed"),
            ("unknown", "unknown"),
            ("waiting", "to go"),
        )
        if counts[name]
    ]
    line.append(Text(", ").join(parts) if parts else Text("nothing to do"))
    if answer["state"] not in {"running", "done"}:
        line.append(f"; {cell(answer['state'])}")
    return line


def moment(seconds: float) -> str:
    """Return a time as the people of this machine tell it."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _result(each: Answer) -> Text:
    return tables.word(each["result"]) if each["result"] else cell(each["stage"])


def _told(each: Answer) -> list[str]:
    """Return what is to be told of a target, a line each: readings, why, output."""
    readings = [
        f"{_braces(reading['labels'])}{float(reading['value']):.15g}"
        for reading in each["readings"]
    ]
    why = [str(each["detail"])] if each["detail"] else []
    return readings + why + str(each["output"]).splitlines()


def _braces(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}} " if pairs else ""


def _few(names: Sequence[str]) -> str:
    shown = " ".join(map(str, names[:_SHOWN_TARGETS]))
    left = len(names) - _SHOWN_TARGETS
    return f"{shown} and {left} more" if left > 0 else shown or "all"
