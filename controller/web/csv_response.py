"""Tables as CSV.

Spreadsheets execute text cells that begin with `=`, `+`, `-` or `@` as formulas (CWE-1236). Numbers
are written as they are.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

from controller.web.responses import conditional_response

_CSV_TYPE = "text/csv; charset=utf-8"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Cell = str | float | None
"""A text, a number, or None for an unknown value."""


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """Return a download of a table, or 304 if the client has the same table.

    Args:
        name: Name of the file without `.csv`.
        columns: Headings.
        rows: Cells of each row.
    """
    response = conditional_response(to_csv(columns, rows), _CSV_TYPE)
    response.headers.set("Content-Disposition", "attachment", filename=f"{name}.csv")
    return response


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table with headings, whose cells no spreadsheet executes."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def safe_cell(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet executes. A quote marks text that looks like a formula."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell
