"""Layout of panels on Grafana's grid, in rows of panels that sections can group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from grafana.json_format import Json

COLUMNS = 24
_UNIT_PIXELS, _GAP_PIXELS = 30, 8
_TITLE_PIXELS = 40  # title and padding of a panel


@dataclass(frozen=True, slots=True)
class Column:
    """Panels on top of each other, with their heights."""

    panels: Sequence[tuple[Json, int]]


# A height, and panels or columns with their widths.
Row = tuple[int, Sequence[tuple[Json | Column, int]]]


@dataclass(frozen=True, slots=True)
class PanelSection:
    """Rows under a title, which users can collapse."""

    title: str
    rows: Sequence[Row]
    collapsed: bool = False


def height_of(pixels: float) -> int:
    """Return the height of a panel whose content has a height in pixels."""
    return -int(-(pixels + _TITLE_PIXELS + _GAP_PIXELS) // (_UNIT_PIXELS + _GAP_PIXELS))


def layout_rows(*rows: Row) -> list[Json]:
    """Return the panels of rows with their positions."""
    return layout_sections(rows)


def layout_sections(top: Sequence[Row], *sections: PanelSection) -> list[Json]:
    """Return the panels of the first rows and of sections, with their ids and positions.

    The panels of a collapsed section are part of its row panel, as Grafana saves them.
    """
    ids = count(1)
    placed, bottom = _place_rows(top, 0, ids)
    for section in sections:
        row: Json = {
            "id": next(ids),
            "gridPos": {"x": 0, "y": bottom, "w": COLUMNS, "h": 1},
            "type": "row",
            "title": section.title,
            "collapsed": section.collapsed,
        }
        panels, end = _place_rows(section.rows, bottom + 1, ids)
        if section.collapsed:
            placed.append(row | {"panels": panels})
            bottom += 1
        else:
            placed += [row | {"panels": []}, *panels]
            bottom = end
    return placed


def _place_rows(rows: Sequence[Row], top: int, ids: Iterator[int]) -> tuple[list[Json], int]:
    """Return the panels of rows, and the position below them."""
    placed: list[Json] = []
    for height, cells in rows:
        left = 0
        for cell, width in cells:
            column = cell if isinstance(cell, Column) else Column([(cell, height)])
            y = top
            for panel, panel_height in column.panels:
                position: Json = {"x": left, "y": y, "w": width, "h": panel_height}
                placed.append({"id": next(ids), "gridPos": position, **panel})
                y += panel_height
            left += width
        top += height
    return placed, top
