"""Panels, as Grafana's dashboards carry them, and how they are laid out in rows.

Each is made with a title, a description for whoever asks what it means, and a unit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grafana import states
from grafana.queries import DATASOURCE, Query, targets
from grafana.readable import Json

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Field:
    """How the values of a panel are shown.

    `unit` is one of Grafana's; `links` open from each value; `nothing` is said where there is none.
    """

    unit: str
    decimals: int | None = None
    thresholds: Json | None = None
    mappings: Sequence[Json] = ()
    links: Sequence[Json] = ()
    least: float | None = None
    most: float | None = None
    nothing: str = ""
    colour: str = "thresholds"

    def defaults(self, custom: Json | None = None) -> Json:
        """Return the defaults of a panel's fields."""
        chosen: Json = {
            "unit": self.unit,
            "color": {"mode": self.colour},
            "thresholds": self.thresholds or states.steps(),
            "mappings": list(self.mappings),
        }
        optional = {"decimals": self.decimals, "min": self.least, "max": self.most}
        chosen |= {name: value for name, value in optional.items() if value is not None}
        if self.nothing:
            chosen["noValue"] = self.nothing
        if self.links:
            chosen["links"] = list(self.links)
        if custom:
            chosen["custom"] = custom
        return chosen


def override(field: str, **properties: object) -> Json:
    """Return what differs for the field of one name; `__` in a property's name is a dot."""
    return _override({"id": "byName", "options": field}, properties)


def override_query(ref_id: str, **properties: object) -> Json:
    """Return what differs for the series of one query."""
    return _override({"id": "byFrameRefID", "options": ref_id}, properties)


def _override(matcher: Json, properties: dict[str, object]) -> Json:
    return {
        "matcher": matcher,
        "properties": [
            {"id": name.replace("__", "."), "value": value} for name, value in properties.items()
        ],
    }


def painted(name: str, colour: str) -> Json:
    """Return the override that gives the series of one name a colour of its own."""
    return override(name, color={"mode": "fixed", "fixedColor": colour})


def _panel(
    kind: str,
    title: str,
    description: str,
    queries: list[Query],
    field_config: Json,
    options: Json,
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": targets(queries),
        "fieldConfig": field_config,
        "options": options,
    }


def _newest_value() -> Json:
    return {"values": False, "calcs": ["lastNotNull"], "fields": ""}


def stat(
    title: str,
    description: str,
    field: Field,
    queries: list[Query],
    *,
    overrides: Iterable[Json] = (),
    text: str = "value",
    vertical: bool = False,
) -> Json:
    """Return a panel of big values on their colours; `text` is `value`, `name` or both."""
    return _panel(
        "stat",
        title,
        description,
        queries,
        {"defaults": field.defaults(), "overrides": list(overrides)},
        {
            "reduceOptions": _newest_value(),
            "orientation": "horizontal" if vertical else "vertical",
            "textMode": text,
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "center",
            "wideLayout": True,
            "showPercentChange": False,
        },
    )


def course(
    title: str,
    description: str,
    field: Field,
    queries: list[Query],
    *,
    overrides: Iterable[Json] = (),
    stacked: bool = False,
    limits: bool = False,
    table: bool = True,
) -> Json:
    """Return a panel of curves over time.

    Args:
        title: what stands above it.
        description: what it means.
        field: how its values are shown.
        queries: the courses.
        overrides: what differs for some series.
        stacked: whether the curves add up.
        limits: whether the thresholds are drawn, too.
        table: whether the legend tells the newest and the greatest value of each series.
    """
    custom: Json = {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if stacked else "linear",
        "lineWidth": 0 if stacked else 1,
        "fillOpacity": 80 if stacked else 5,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
    }
    return _panel(
        "timeseries",
        title,
        description,
        queries,
        {"defaults": field.defaults(custom), "overrides": list(overrides)},
        {
            "legend": {
                "showLegend": True,
                "displayMode": "table" if table else "list",
                "placement": "right" if table else "bottom",
                "calcs": ["lastNotNull", "max"] if table else [],
            },
            "tooltip": {"mode": "multi", "sort": "none" if stacked else "desc"},
        },
    )


def timeline(
    title: str, description: str, field: Field, queries: list[Query], *, words: bool = True
) -> Json:
    """Return a panel of states over time, a line a series."""
    return _panel(
        "state-timeline",
        title,
        description,
        queries,
        {"defaults": field.defaults({"lineWidth": 0, "fillOpacity": 90}), "overrides": []},
        {
            "mergeValues": True,
            "showValue": "auto" if words else "never",
            "alignValue": "left",
            "rowHeight": 0.85,
            "legend": {
                "showLegend": False,
                "displayMode": "list",
                "placement": "bottom",
                "calcs": [],
            },
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def bars(title: str, description: str, field: Field, queries: list[Query]) -> Json:
    """Return a panel of bars side by side, a bar a series, each with its name and value."""
    return _panel(
        "bargauge",
        title,
        description,
        queries,
        {"defaults": field.defaults(), "overrides": []},
        {
            "reduceOptions": _newest_value(),
            "orientation": "horizontal",
            "displayMode": "basic",
            "valueMode": "color",
            "namePlacement": "left",
            "showUnfilled": True,
        },
    )


def table(
    title: str,
    description: str,
    field: Field,
    queries: list[Query],
    *,
    columns: dict[str, str],
    overrides: Iterable[Json] = (),
    by: str = "",
) -> Json:
    """Return a table.

    Args:
        title: what stands above it.
        description: what it means.
        field: how its values are shown.
        queries: each gives rows, or, where there are several, a column of values.
        columns: the fields that are shown, in order, and what their columns are called. With
            several queries the values of the first are `Value #A`, of the second `Value #B`.
        overrides: what differs for some columns.
        by: with several queries: the field by which their rows are joined.
    """
    panel = _panel(
        "table",
        title,
        description,
        queries,
        {
            "defaults": field.defaults({"align": "left", "filterable": False}),
            "overrides": list(overrides),
        },
        {"showHeader": True, "cellHeight": "sm"},
    )
    join: Json = {"id": "joinByField", "options": {"byField": by, "mode": "outer"}}
    show: list[Json] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: index for index, name in enumerate(columns)},
                "renameByName": columns,
            },
        },
    ]
    return panel | {"transformations": [join, *show] if by else show}


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
