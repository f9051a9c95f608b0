"""Layout of panels in rows on Grafana's grid."""

from collections.abc import Sequence

from grafana.json_format import Json

COLUMNS = 24


def layout_rows(*rows: tuple[int, Sequence[tuple[Json, int]]]) -> list[Json]:
    """Return the panels with their positions. Each row has a height and panels with widths."""
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
    position: Json = {"x": left, "y": top, "w": width, "h": height}
    return {"id": panel_id, "gridPos": position, **panel}
