"""Panels laid out in rows on Grafana's grid."""

from collections.abc import Sequence

from grafana.json_format import Json

COLUMNS = 24


def layout_rows(*rows: tuple[int, Sequence[tuple[Json, int]]]) -> list[Json]:
    """Lay panels out: rows from the top, each a height and its panels with their widths."""
    placed: list[Json] = []
    top = 0
    for height, panels in rows:
        left = 0
        for panel, width in panels:
            placed.append(_position_panel(panel, len(placed) + 1, left, top, width, height))
            left += width
        top += height
    return placed


def _position_panel(
    panel: Json, panel_id: int, left: int, top: int, width: int, height: int
) -> Json:
    where: Json = {"x": left, "y": top, "w": width, "h": height}
    return {"id": panel_id, "gridPos": where, **panel}
