"""Panels laid out in rows on Grafana's grid."""

from collections.abc import Sequence

from grafana.readable import Json

COLUMNS = 24


def in_rows(*rows: tuple[int, Sequence[tuple[Json, int]]]) -> list[Json]:
    """Lay panels out: rows from the top, each a height and its panels with their widths."""
    placed: list[Json] = []
    top = 0
    for height, panels in rows:
        left = 0
        for panel, width in panels:
            placed.append(_placed(panel, len(placed) + 1, left, top, width, height))
            left += width
        top += height
    return placed


def _placed(panel: Json, number: int, left: int, top: int, width: int, height: int) -> Json:
    where: Json = {"x": left, "y": top, "w": width, "h": height}
    return {"id": number, "gridPos": where, **panel}
