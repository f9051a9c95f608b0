"""Panels of Grafana, each with a title, a description and a unit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grafana.fields import FieldConfig, override
from grafana.grid import height_of
from grafana.json_format import Json
from grafana.queries import DATASOURCE, Query, targets

SPARKLINE_HEIGHT = 5  # Grafana omits a sparkline where its panel is not high enough
_TITLE_SIZE = 12  # pixels
_PIXELS_PER_BAR = 29
_TABLE_COLUMN_MIN_PIXELS = 80


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


@dataclass(frozen=True, slots=True)
class StatOptions:
    """Drawing options of a stat panel.

    Attributes:
        text_mode: `value`, `name` or `value_and_name`.
        orientation: `vertical` for values side by side, `horizontal` for values on top of each
            other, or `auto` for a grid.
        value_size: Size of the texts in pixels. A fixed size makes panels in a row look alike.
        sparkline: Whether the history is drawn below the value, for range queries.
    """

    text_mode: str = "value"
    orientation: str = "vertical"
    value_size: int = 16
    sparkline: bool = False


@dataclass(frozen=True, slots=True)
class TableColumns:
    """Columns of a table panel.

    Attributes:
        titles: Column titles in the displayed order, keyed by field. With several queries, the
            fields of the values are `Value #A`, `Value #B` and so on.
        hidden: Fields that are not displayed, for links.
        sort_by: Column titles, the most important first.
        join_by: Field that joins the rows of several queries.
    """

    titles: Mapping[str, str]
    hidden: Sequence[str] = ()
    sort_by: Sequence[str] = ()
    join_by: str = ""


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
    stat_options: StatOptions = StatOptions(),
) -> Json:
    """Return a stat panel. Each series is a value of the panel."""
    return _panel(
        "stat",
        title,
        description,
        queries,
        {"defaults": field.defaults(), "overrides": list(overrides)},
        {
            "reduceOptions": _reduce_to_last(),
            "orientation": stat_options.orientation,
            "textMode": stat_options.text_mode,
            # Grafana chooses the color of the text for the plain color and not for a gradient.
            "colorMode": "background_solid",
            "graphMode": "area" if stat_options.sparkline else "none",
            "justifyMode": "center",
            "text": {"titleSize": _TITLE_SIZE, "valueSize": stat_options.value_size},
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
    time_from: str = "",
) -> Json:
    """Return a state timeline panel with one row per series.

    With `time_from`, such as `12h`, the panel shows this time while the dashboard shows any
    relative time range.
    """
    panel = _panel(
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
    return panel | ({"timeFrom": time_from} if time_from else {})


def bar_gauge_height(bars: int) -> int:
    """Return the height of a bar gauge panel that shows all of its bars."""
    return height_of(bars * _PIXELS_PER_BAR)


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
            "valueMode": "text",  # some colors of bars are not readable as text
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
    columns: TableColumns,
    overrides: Iterable[Json] = (),
) -> Json:
    """Return a table panel.

    The unit of the field options must be `string`, because Grafana displays the string `02` as the
    number 2 with any other unit. Columns of numbers have an override with their unit.

    Args:
        title: Title of the panel.
        description: Description of the panel.
        field: Field options.
        queries: One query for the rows, or several queries, each for one column of values.
        columns: Columns of the table.
        overrides: Overrides of columns.
    """
    names = [*columns.titles, *columns.hidden]
    panel = _panel(
        "table",
        title,
        description,
        queries,
        {
            "defaults": field.defaults(
                {"align": "left", "filterable": False, "minWidth": _TABLE_COLUMN_MIN_PIXELS}
            ),
            "overrides": [*overrides, *map(_hide, columns.hidden)],
        },
        {
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": name, "desc": False} for name in columns.sort_by],
        },
    )
    join: Json = {"id": "joinByField", "options": {"byField": columns.join_by, "mode": "outer"}}
    show: list[Json] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": names}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: index for index, name in enumerate(names)},
                "renameByName": dict(columns.titles),
            },
        },
    ]
    return panel | {"transformations": [join, *show] if columns.join_by else show}


def _hide(field: str) -> Json:
    # Grafana 12.2 and newer use `hideFrom`, older versions use `hidden`. Without `noValue`, an
    # empty value is empty in links, too.
    return override(
        field,
        custom__hidden=True,
        custom__hideFrom={"viz": True, "legend": True, "tooltip": True},
        noValue="",
    )
