"""Panels, as Grafana's dashboards carry them.

Each is made with a title, a description for whoever asks what it means, and a unit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from grafana.fields import FieldConfig
from grafana.json_format import Json
from grafana.queries import DATASOURCE, Query, targets


@dataclass(frozen=True, slots=True)
class LineOptions:
    """How curves are drawn.

    Attributes:
        stacked: whether they add up.
        thresholds: whether the thresholds are drawn, too.
        legend_table: whether the legend, at the right, tells the newest and the greatest value of each.
        logarithmic: whether the axis is, so that great values do not hide small ones.
        bars: whether each value is a bar, as where most of the time there is none.
    """

    stacked: bool = False
    thresholds: bool = False
    legend_table: bool = False
    logarithmic: bool = False
    bars: bool = False


def _panel(
    panel_type: str,
    title: str,
    description: str,
    queries: list[Query],
    field_config: Json,
    options: Json,
) -> Json:
    return {
        "type": panel_type,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": targets(queries),
        "fieldConfig": field_config,
        "options": options,
    }


def _reduce_to_last() -> Json:
    return {"values": False, "calcs": ["lastNotNull"], "fields": ""}


def stat(
    title: str,
    description: str,
    field: FieldConfig,
    queries: list[Query],
    *,
    overrides: Iterable[Json] = (),
    text_mode: str = "value",
    vertical: bool = False,
) -> Json:
    """Return a panel of big values on their colours; `text_mode` is `value`, `name` or both."""
    return _panel(
        "stat",
        title,
        description,
        queries,
        {"defaults": field.defaults(), "overrides": list(overrides)},
        {
            "reduceOptions": _reduce_to_last(),
            "orientation": "horizontal" if vertical else "vertical",
            "textMode": text_mode,
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "center",
            "wideLayout": True,
            "showPercentChange": False,
        },
    )


def time_series(
    title: str,
    description: str,
    field: FieldConfig,
    queries: list[Query],
    *,
    overrides: Iterable[Json] = (),
    line_options: LineOptions = LineOptions(),
) -> Json:
    """Return a panel of curves over time."""
    scale: Json = {"type": "log", "log": 10} if line_options.logarithmic else {"type": "linear"}
    custom: Json = {
        "drawStyle": "bars" if line_options.bars else "line",
        "lineInterpolation": "stepAfter" if line_options.stacked else "linear",
        "lineWidth": 0 if line_options.stacked or line_options.bars else 1,
        "fillOpacity": 80 if line_options.stacked or line_options.bars else 5,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if line_options.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if line_options.thresholds else "off"},
        "scaleDistribution": scale,
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
                "displayMode": "table" if line_options.legend_table else "list",
                "placement": "right" if line_options.legend_table else "bottom",
                "calcs": ["lastNotNull", "max"] if line_options.legend_table else [],
            },
            "tooltip": {"mode": "multi", "sort": "none" if line_options.stacked else "desc"},
        },
    )


def state_timeline(
    title: str,
    description: str,
    field: FieldConfig,
    queries: list[Query],
    *,
    show_values: bool = True,
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
            "showValue": "auto" if show_values else "never",
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


def bar_gauge(title: str, description: str, field: FieldConfig, queries: list[Query]) -> Json:
    """Return a panel of bars side by side, a bar a series, each with its name and value."""
    return _panel(
        "bargauge",
        title,
        description,
        queries,
        {"defaults": field.defaults(), "overrides": []},
        {
            "reduceOptions": _reduce_to_last(),
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
    field: FieldConfig,
    queries: list[Query],
    *,
    columns: dict[str, str],
    overrides: Iterable[Json] = (),
    join_by: str = "",
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
        join_by: with several queries: the field by which their rows are joined.
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
    join: Json = {"id": "joinByField", "options": {"byField": join_by, "mode": "outer"}}
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
    return panel | {"transformations": [join, *show] if join_by else show}
