"""Table that fits into the width of the terminal without losing text."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

_GAP = 2
_WORD = re.compile(r"\S+")
_BREAK = re.compile(r"[-_/,.:;=]")
_PIECE = re.compile(r"[^\s\-_/,.:;=]*[-_/,.:;=]|[^\s\-_/,.:;=]+")


class FittedTable:
    """Table without lines, whose columns shrink on a narrow terminal.

    The widest column wraps first, at spaces and after punctuation. If this is not sufficient, words
    are broken.

    Args:
        headers: Headers of the columns. Empty for a table without headers.
        unbroken: Headers of columns that wrap last.
    """

    def __init__(self, headers: Sequence[str], unbroken: Collection[str] = ()) -> None:
        self._unbroken = [i for i, header in enumerate(headers) if header in unbroken]
        self._rows: list[tuple[Text, ...]] = []
        if headers:
            self.add_row(*(Text(header, "bold") for header in headers))

    def add_row(self, *cells: Text | str) -> None:
        """Add a row with a cell for each column."""
        self._rows.append(tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells))

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Yield a table of this width."""
        table = Table(box=None, pad_edge=False, show_header=False)
        widths = self._widths(options.max_width)
        for width in widths:
            table.add_column(width=width, overflow="fold")
        for row in self._rows:
            table.add_row(*map(_break_words, row, widths))
        yield table

    def _widths(self, available: int) -> list[int]:
        columns = list(zip(*self._rows, strict=True))
        full = [max(1, *(cell.cell_len for cell in column)) for column in columns]
        pieces = [_longest_piece(column) for column in columns]
        for i in self._unbroken:
            pieces[i] = full[i]
        return fit_widths(full, pieces, available)


def fit_widths(full: Sequence[int], pieces: Sequence[int], available: int) -> list[int]:
    """Return the widths of columns that fit into the available width, if this is possible.

    Args:
        full: Width of each column without wrapping.
        pieces: Width below which words of each column are broken.
        available: Width of the table.
    """
    widths = list(full)
    excess = sum(widths) + _GAP * (len(widths) - 1) - available
    for minimums in (pieces, [1] * len(widths)):
        while excess > 0:
            flexible = [i for i, width in enumerate(widths) if width > minimums[i]]
            if not flexible:
                break
            widths[max(flexible, key=widths.__getitem__)] -= 1
            excess -= 1
    return widths


def _longest_piece(texts: Iterable[Text]) -> int:
    """Return the width of the longest part of a word up to a punctuation mark."""
    return max((cell_len(part) for text in texts for part in _PIECE.findall(text.plain)), default=0)


def _break_words(text: Text, width: int) -> Text:
    """Insert line breaks into words that are longer than the width."""
    offsets = []
    for word in _WORD.finditer(text.plain):
        start = word.start()
        while cell_len(rest := text.plain[start : word.end()]) > width:
            first = chop_cells(rest, width)[0] or rest[0]
            breaks = [match.end() for match in _BREAK.finditer(first)]
            start += max(breaks, default=len(first))
            offsets.append(start)
    return Text("\n").join(text.divide(offsets)) if offsets else text
