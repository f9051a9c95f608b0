"""Panels of Grafana, each with a title, a description and a unit."""

from collections.abc import Iterable
from dataclasses import dataclass

from grafana.fields import FieldConfig
from grafana.json_format import Json
from grafana.queries import DATASOURCE, Query, targets


@dataclass(frozen=True, slots=True)
class LineOptions:
    """Drawing options of a time series panel.

    Attributes:
        stacked: Whether values are stacked.
        thresholds: Whether thresholds are drawn as lines.
        legend_table: Whether the legend is a table with the last and the maximum values.
        logarithmic: Whether the axis is logarithmic.
        bars: Whether values are drawn as bars, for series with few values.
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
    """Return a stat panel. `text_mode` is `value`, `name` or `value_and_name`."""
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
    """Return a time series panel."""
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
    """Return a state timeline panel with one row per series."""
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
    """Return a bar gauge panel with one bar per series."""
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
    """Return a table panel.

    Args:
        title: Title of the panel.
        description: Description of the panel.
        field: Field options.
        queries: One query for the rows, or several queries, each for one column of values.
        columns: Column titles in the displayed order, keyed by field. With several queries, the
            fields of the values are `Value #A`, `Value #B` and so on.
        overrides: Overrides of columns.
        join_by: Field that joins the rows of several queries.
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
