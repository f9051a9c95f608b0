"""Orders, and what came of them, as tables for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from cli import tables
from cli.tables import JsonObject, cell

_MAX_SHOWN_TARGETS = 4
_NON_ROW_LINES = 4  # lines: the summary, the head, what is left out, the cursor's


def order_details(order: JsonObject) -> RenderableType:
    """Return an order and what came of it for each target."""
    parts: list[RenderableType] = [order_summary(order)]
    if order["results"]:
        table = tables.make_table("TARGET", "RESULT", "WHY")
        for each in order["results"]:
            first, *more = _detail_lines(each) or [""]
            table.add_row(cell(each["target"]), _result_cell(each), cell(first))
            for line in more:
                table.add_row("", "", cell(line))
        parts.append(table)
    return Group(*parts)


def order_progress(order: JsonObject, height: int) -> RenderableType:
    """Return how far an order is, in no more lines than a terminal has: what is still open."""
    open_ones = [each for each in order["results"] if each["result"] is None]
    shown = open_ones[: max(height - _NON_ROW_LINES, 1)]
    table = tables.make_table()
    for each in shown:
        table.add_row(cell(each["target"]), cell(each["stage"]))
    parts: list[RenderableType] = [order_summary(order), table]
    if left := len(open_ones) - len(shown):
        parts.append(cell(f"and {left} more"))
    return Group(*parts)


def order_table(orders: Iterable[JsonObject]) -> RenderableType:
    """Return a row for each order."""
    table = tables.make_table("ORDER", "BEGAN", "WHO", "ACTION", "TARGETS", "STATE", "RESULT")
    for each in orders:
        table.add_row(
            cell(each["id"]),
            cell(format_time(each["began"])),
            cell(each["who"]),
            cell(each["alias"] or each["action"]),
            cell(_abbreviated(each["targets"])),
            cell(each["state"]),
            tables.colored(each["result"] or "-"),
        )
    return table


def audit_table(events: Iterable[JsonObject]) -> RenderableType:
    """Return a row for each event of the audit."""
    table = tables.make_table("AT", "WHO", "FROM", "WHAT", "TARGETS", "RESULT", "WHY")
    for each in events:
        table.add_row(
            cell(format_time(each["at"])),
            cell(each["who"]),
            cell(each["origin"]),
            cell(each["what"]),
            cell(each["targets"]),
            tables.colored(each["result"]),
            cell(each["detail"]),
        )
    return table


def order_preview(preview: JsonObject) -> RenderableType:
    """Return what an order would do, by name."""
    names = " ".join(map(str, preview["takes_down"]))
    hits = cell(f"It takes down {len(preview['takes_down'])} rasps: {names}", "bold")
    return Group(hits if names else Text("It takes no rasp down."), *preview_notes(preview))


def preview_notes(preview: JsonObject) -> list[Text]:
    """Return what else there is to tell of what an order would do, a line each."""
    lines = []
    if preview["already_down"]:
        lines.append(cell(f"Down already: {' '.join(preview['already_down'])}"))
    if preview["stacks"]:
        lines.append(cell(f"Stacks: {' '.join(map(str, preview['stacks']))}"))
    return lines + [cell(warning, "yellow") for warning in preview["warnings"]]


def order_summary(order: JsonObject) -> Text:
    """Return an order in one line."""
    line = Text.assemble(
        (f"order {int(order['id'])}", "bold"),
        f": {cell(order['alias'] or order['action'])} of {cell(_abbreviated(order['targets']))}: ",
    )
    counts: Mapping[str, int] = order["counts"]
    parts = [
        tables.colored(name, f"{int(counts[name])} {words}")
        for name, words in (
            ("ok", "ok"),
            ("failed", "failed"),
            ("unknown", "unknown"),
            ("waiting", "to go"),
        )
        if counts[name]
    ]
    line.append(Text(", ").join(parts) if parts else Text("nothing to do"))
    if order["state"] not in {"running", "done"}:
        line.append(f"; {cell(order['state'])}")
    return line


def format_time(seconds: float) -> str:
    """Return a time as the people of this machine tell it."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _result_cell(result: JsonObject) -> Text:
    return tables.colored(result["result"]) if result["result"] else cell(result["stage"])


def _detail_lines(result: JsonObject) -> list[str]:
    """Return what is to be told of a target, a line each: readings, why, output."""
    readings = [
        f"{_format_labels(reading['labels'])}{float(reading['value']):.15g}"
        for reading in result["readings"]
    ]
    why = [str(result["detail"])] if result["detail"] else []
    return readings + why + str(result["output"]).splitlines()


def _format_labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}} " if pairs else ""


def _abbreviated(names: Sequence[str]) -> str:
    shown = " ".join(map(str, names[:_MAX_SHOWN_TARGETS]))
    left = len(names) - _MAX_SHOWN_TARGETS
    return f"{shown} and {left} more" if left > 0 else shown or "all"
