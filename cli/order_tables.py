"""Tables of orders and audit events."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from cli import tables
from cli.confirm import affected_text
from cli.models import ApiAuditEvent, ApiOrder, ApiOrderSummary, ApiPreview, ApiTargetResult
from cli.tables import cell, format_time
from rack.readings import format_reading
from rack.target_ranges import abbreviate
from rack.terminal import make_table

_NON_ROW_LINES = 4  # the summary, a margin, the number of omitted rows and the cursor


def order_details(order: ApiOrder) -> RenderableType:
    """Return an order with its result for each target."""
    parts: list[RenderableType] = [order_summary(order)]
    if order.results:
        table = make_table("TARGET", "RESULT", "DETAIL")
        for result in order.results:
            first, *more = _detail_lines(result, order.alias or "") or [""]
            table.add_row(
                cell(result.target),
                tables.colored(result.result) if result.result else cell(result.stage),
                cell(first),
            )
            for line in more:
                table.add_row("", "", cell(line))
        parts.append(table)
    return Group(*parts)


def order_progress(order: ApiOrder, height: int) -> RenderableType:
    """Return the pending targets of an order, limited to the height of the terminal."""
    pending = [result for result in order.results if result.result is None]
    shown = pending[: max(height - _NON_ROW_LINES, 1)]
    table = make_table()
    for result in shown:
        table.add_row(cell(result.target), cell(result.stage))
    parts: list[RenderableType] = [order_summary(order), table]
    if omitted := len(pending) - len(shown):
        parts.append(cell(f"and {omitted} more"))
    return Group(*parts)


def order_table(orders: Iterable[ApiOrderSummary]) -> RenderableType:
    """Return a table with a row for each order."""
    table = make_table("ORDER", "STARTED", "ACTOR", "ACTION", "TARGETS", "RESULT")
    for order in orders:
        table.add_row(
            cell(order.id),
            cell(format_time(order.started_at)),
            cell(order.actor),
            cell(order.alias or order.action),
            cell(_target_text(order.targets)),
            _state_and_result(order),
        )
    return table


def audit_table(events: Iterable[ApiAuditEvent]) -> RenderableType:
    """Return a table with a row for each audit event."""
    table = make_table("TIME", "ACTOR", "ACTION", "TARGETS", "RESULT", "DETAIL")
    for event in events:
        table.add_row(
            cell(format_time(event.time)),
            cell(" ".join(filter(None, [event.actor, event.client_address]))),
            cell(event.action),
            cell(" ".join(abbreviate(event.targets.split(" ")))),
            tables.colored(event.result),
            cell(", ".join(filter(None, [event.detail, _repeats(event.count)]))),
        )
    return table


def order_preview(preview: ApiPreview) -> RenderableType:
    """Return the effects that an order would have."""
    return Group(cell(affected_text(preview.affected), "bold"), *preview_notes(preview))


def preview_notes(preview: ApiPreview) -> list[Text]:
    """Return the effects of an order except the affected rasps, one per line."""
    lines = []
    if preview.already_down:
        lines.append(cell(f"Already down: {' '.join(preview.already_down)}"))
    if preview.stacks:
        lines.append(cell(f"Stacks: {' '.join(map(str, preview.stacks))}"))
    elif preview.outlets:
        lines.append(cell(f"Outlets: {' '.join(preview.outlets)}"))
    return lines + [cell(warning, "yellow") for warning in preview.warnings]


def order_summary(order: ApiOrder) -> Text:
    """Return an order in one line."""
    line = Text.assemble(
        (f"order {order.id}", "bold"),
        f": {cell(order.alias or order.action)} on {cell(_target_text(order.targets))}: ",
    )
    counts = {
        "ok": order.counts.ok,
        "failed": order.counts.failed,
        "unknown": order.counts.unknown,
        "pending": order.counts.pending,
    }
    line.append(
        Text(", ").join(
            tables.colored(name, f"{count} {name}") for name, count in counts.items() if count
        )
        or Text("no targets")
    )
    if order.state not in {"running", "done"}:
        line.append(f"; {cell(order.state)}")
    return line


def _detail_lines(result: ApiTargetResult, alias: str) -> list[str]:
    readings = [
        f"{_format_labels(reading.labels)}{_format_value(alias, reading.value)}"
        for reading in result.readings
    ]
    return readings + ([result.detail] if result.detail else []) + result.output.splitlines()


def _format_labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}} " if pairs else ""


def _format_value(alias: str, value: float | None) -> str:
    return "NaN" if value is None else format_reading(alias, value)


def _target_text(names: Sequence[str]) -> str:
    return " ".join(abbreviate(names)) or "all"


def _state_and_result(order: ApiOrderSummary) -> Text:
    """Return the result of an order that is done, otherwise its state and its result, if known."""
    result = tables.colored(order.result) if order.result else Text()
    if order.state == "done" and order.result:
        return result
    return Text(", ").join(filter(None, [tables.colored(order.state), result]))


def _repeats(count: int) -> str:
    return f"{count} times" if count > 1 else ""
