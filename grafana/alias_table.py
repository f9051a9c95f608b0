"""Table of a rasp's aliases, with one column of values for each unit.

A column has one unit, so the suffix of a metric, such as `_bytes`, determines its column.
"""

from dataclasses import dataclass

from grafana import states
from grafana.fields import FieldConfig, override
from grafana.grid import height_of
from grafana.json_format import Json
from grafana.panels import TableColumns, table
from grafana.queries import RASP, table_query

_ROW_PIXELS, _SHOWN_ROWS = 36, 15
ALIAS_TABLE_HEIGHT = height_of(_ROW_PIXELS * _SHOWN_ROWS)

_ALIAS_WIDTH = 190  # pixels, for the default aliases
# Metrics of the exporter itself.
_NO_ALIAS = "alias_.+|up|exporter_.+|config_.+"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of values.

    Attributes:
        title: Title of the column.
        unit: Unit of Grafana.
        suffix: Regular expression for the end of the metrics' names.
        factor: Factor from the metrics' unit to the column's unit.
        width: Width in pixels, 0 to share the remaining width.
    """

    title: str
    unit: str
    suffix: str
    factor: int = 1
    width: int = 0


_DATE = _Column("Date", "dateTimeAsIso", "_time(stamp)?_seconds", 1000, width=160)
_COLUMNS = (
    _Column("Temperature", "celsius", "_celsius", width=105),
    _Column("Size", "bytes", "_bytes"),
    _Column("Clock", "hertz", "_hertz"),
    _Column("Time", "s", "_seconds(_total)?", width=90),
    _DATE,
)


def alias_table() -> Json:
    """Return the table of the aliases of a rasp."""
    # The units of numbers without a column are unknown.
    known = "|".join(f".+{column.suffix}" for column in _COLUMNS)
    values = {"Value": _values(".+", f"{_NO_ALIAS}|{known}")}
    for column in _COLUMNS:
        others = _NO_ALIAS if column == _DATE else f"{_NO_ALIAS}|.+{_DATE.suffix}"
        expression = _values(f".+{column.suffix}", others)
        values[column.title] = (
            expression if column.factor == 1 else f"{column.factor} * {expression}"
        )
    queries = {
        **values,
        "Success": f"max by (alias) (pirack_alias_success{{{RASP}}})",
        "Duration": f"max by (alias) (pirack_alias_duration_seconds{{{RASP}}})",
    }
    fields = {f"Value #{chr(ord('A') + index)}": title for index, title in enumerate(queries)}
    results = (
        states.ValueStyle(0, "failed", states.DOWN.color),
        states.ValueStyle(1, "ok", "transparent"),
    )
    return table(
        "Aliases",
        "Value, success and duration of each alias in the last scrape, with the unit that its name"
        " ends with. The value of an alias with several values is their maximum.",
        FieldConfig("string", no_value="No aliases"),
        [table_query(expression) for expression in queries.values()],
        columns=TableColumns({"alias": "Alias", **fields}, sort_by=["Alias"], join_by="alias"),
        overrides=[
            override("Alias", custom__width=_ALIAS_WIDTH),
            override("Value", unit="none", noValue=""),
            *(_override(column) for column in _COLUMNS),
            override(
                "Success",
                unit="none",
                noValue="unknown",
                mappings=states.value_mappings(*results),
                custom__cellOptions={"type": "color-background", "mode": "basic"},
            ),
            override("Duration", unit="s", decimals=1, noValue="unknown"),
        ],
    )


def _override(column: _Column) -> Json:
    width = {"custom__width": column.width} if column.width else {}
    return override(column.title, unit=column.unit, noValue="", **width)


def _values(names: str, others: str) -> str:
    """Return the values of the metrics whose names match, keyed by their alias."""
    value = f'{{__name__=~"pirack_({names})",__name__!~"pirack_({others})",{RASP}}}'
    return f'max by (alias) (label_replace({value}, "alias", "$1", "__name__", "pirack_(.+)"))'
