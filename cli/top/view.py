"""The screen of `pirack top`, which fits into the terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console, ConsoleOptions
from rich.text import Text

from cli import tables
from cli.models import ApiRasp
from cli.tables import cell
from cli.top.usage import HEADERS, MAX_SAMPLES, METRICS, UsageHistory, sort_rasps, usage_cells

SORT_KEYS = {"t": "temperature", "c": "cpu", "m": "memory"}
"""Metric by which a key sorts."""

_LABELS = {"temperature": "temperature", "cpu": "CPU", "memory": "memory"}
_LEFT_COLUMNS = 2  # the others are numbers
_NON_ROW_LINES = 4  # summary, error, headers, keys


class TopView:
    """Sorted rasps and the keys.

    Args:
        sort: Metric by which rasps are sorted.
    """

    def __init__(self, sort: str) -> None:
        self._sort = sort
        self._rasps: Sequence[ApiRasp] = ()
        self._history = UsageHistory()
        self._updated_at: datetime | None = None
        self._error = ""
        self._first = 0

    def update(self, rasps: Sequence[ApiRasp], now: datetime) -> None:
        """Show the current values."""
        self._rasps, self._updated_at, self._error = rasps, now, ""
        self._history.add(rasps)

    def fail(self, error: str) -> None:
        """Show that the values are outdated, and why."""
        self._error = f"outdated: {error}"

    def press(self, key: str, height: int) -> None:
        """Sort by another metric, or scroll.

        Args:
            key: The key.
            height: Height of the terminal.
        """
        page = max(height - _NON_ROW_LINES, 1)
        if key in SORT_KEYS:
            self._sort, self._first = SORT_KEYS[key], 0
        steps = {"up": -1, "down": 1, "page up": -page, "page down": page}
        last = max(len(self._rasps) - page, 0)
        self._first = min(max(self._first + steps.get(key, 0), 0), last)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines of the screen."""
        width, height = options.size
        count = max(height - _NON_ROW_LINES, 1)
        first = min(self._first, max(len(self._rasps) - count, 0))
        shown = sort_rasps(self._rasps, self._sort)[first : first + count]
        rows = self._rows(shown, width)
        lines = [self._head(width), cell(self._error, "bold red"), *rows]
        lines += [Text()] * (height - 1 - len(lines))
        lines.append(self._keys(first + 1, first + len(shown), width))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            line.no_wrap = True
            yield line

    def _head(self, width: int) -> Text:
        updated = f"{self._updated_at:%H:%M:%S}" if self._updated_at else ""
        return _spread(tables.rasp_summary(self._rasps), cell(updated), width)

    def _rows(self, shown: Sequence[ApiRasp], width: int) -> Iterator[Text]:
        cells = {rasp.name: usage_cells(rasp) for rasp in self._rasps}
        widths = [
            max([len(header), *(row[i].cell_len for row in cells.values())])
            for i, header in enumerate(HEADERS)
        ]
        trend = min(width - sum(widths) - 2 * len(widths), MAX_SAMPLES)
        sorted_header = METRICS[self._sort].header
        headers = [
            Text(header, "reverse bold" if header == sorted_header else "bold")
            for header in HEADERS
        ]
        yield _row(headers, widths, Text("TREND", "bold") if trend >= len("TREND") else Text())
        style = "dim" if self._error else ""
        for rasp in shown:
            sparkline = self._history.sparkline(rasp.name, self._sort, trend)
            row = _row(cells[rasp.name], widths, Text(sparkline))
            row.stylize(style)
            yield row

    def _keys(self, first: int, last: int, width: int) -> Text:
        keys = Text()
        for key, sort in SORT_KEYS.items():
            keys.append(f" {key} ", "reverse")
            keys.append(f" {_LABELS[sort]}  ", "bold" if sort == self._sort else "")
        for key, label in (("↑↓", "scroll"), ("q", "quit")):
            keys.append(f" {key} ", "reverse")
            keys.append(f" {label}  ")
        return _spread(keys, cell(f"{first}-{last} of {len(self._rasps)}"), width)


def _row(cells: Sequence[Text], widths: Sequence[int], trend: Text) -> Text:
    line = Text()
    for i, (text, width) in enumerate(zip(cells, widths, strict=True)):
        padding = " " * (width - text.cell_len)
        parts = (text, padding) if i < _LEFT_COLUMNS else (padding, text)
        line = Text.assemble(line, *parts, "  ")
    return line.append_text(trend)


def _spread(left: Text, right: Text, width: int) -> Text:
    """Return a line with a text at each end, or only the left one if both do not fit."""
    space = width - left.cell_len - right.cell_len
    return Text.assemble(left, " " * space, right) if space > 0 else left
