"""Tables of orders and audit events."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from cli import tables
from cli.confirm import affected_text
from cli.models import ApiAuditEvent, ApiOrder, ApiOrderSummary, ApiPreview, ApiTargetResult
from cli.tables import cell, format_time
from rack.terminal import make_table

_MAX_SHOWN_TARGETS = 4
_NON_ROW_LINES = 4  # the summary, a margin, the number of omitted rows and the cursor


def order_details(order: ApiOrder) -> RenderableType:
    """Return an order with its result for each target."""
    parts: list[RenderableType] = [order_summary(order)]
    if order.results:
        table = make_table("TARGET", "RESULT", "DETAIL")
        for result in order.results:
            first, *more = _detail_lines(result) or [""]
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
    table = make_table("ORDER", "STARTED", "ACTOR", "ACTION", "TARGETS", "STATE", "RESULT")
    for order in orders:
        table.add_row(
            cell(order.id),
            cell(format_time(order.started_at)),
            cell(order.actor),
            cell(order.alias or order.action),
            cell(_abbreviated(order.targets)),
            cell(order.state),
            tables.colored(order.result or "-"),
        )
    return table


def audit_table(events: Iterable[ApiAuditEvent]) -> RenderableType:
    """Return a table with a row for each audit event."""
    table = make_table("TIME", "ACTOR", "ADDRESS", "ACTION", "TARGETS", "RESULT", "COUNT", "DETAIL")
    for event in events:
        table.add_row(
            cell(format_time(event.time)),
            cell(event.actor),
            cell(event.client_address),
            cell(event.action),
            cell(event.targets),
            tables.colored(event.result),
            cell(str(event.count)),
            cell(event.detail),
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
        f": {cell(order.alias or order.action)} on {cell(_abbreviated(order.targets))}: ",
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


def _detail_lines(result: ApiTargetResult) -> list[str]:
    readings = [
        f"{_format_labels(reading.labels)}{_format_value(reading.value)}"
        for reading in result.readings
    ]
    return readings + ([result.detail] if result.detail else []) + result.output.splitlines()


def _format_labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}} " if pairs else ""


def _format_value(value: float | None) -> str:
    return "NaN" if value is None else f"{value:.15g}"


def _abbreviated(names: Sequence[str]) -> str:
    shown = " ".join(names[:_MAX_SHOWN_TARGETS])
    omitted = len(names) - _MAX_SHOWN_TARGETS
    return f"{shown} and {omitted} more" if omitted > 0 else shown or "all"
