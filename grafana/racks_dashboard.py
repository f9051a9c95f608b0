"""Dashboard *Racks*, with all racks of a site."""

from grafana import links, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.panels import LineOptions, TableColumns, table, time_series
from grafana.queries import STATE, range_query, table_query

_TEMPERATURE = 'pirack_cpu_temperature_celsius{job="rasp"}'
_COLOR_BACKGROUND: Json = {"type": "color-background", "mode": "basic"}


def racks_dashboard(defaults: DashboardDefaults) -> Json:
    """Return *Racks*."""
    return make_dashboard(
        links.RACKS_UID,
        "Racks",
        "Which racks of a site have issues?",
        panels=layout_rows(
            (9, [(_racks_table(), COLUMNS)]),
            (9, [(_down_rasps(), 12), (_hottest(), 12)]),
        ),
        variables=variables(defaults),
        since="now-6h",
    )


def _racks_table() -> Json:
    alerts = 'ALERTS{alertstate="firing",severity=~"critical|warning|info"}'
    throttled = 'max by (rack, stack, slot) (pirack_power_condition{job="rasp",since="now"})'
    counts = {
        "Alerts": (
            f"count by (rack) ({alerts}) or 0 * count by (rack) ({STATE})",
            states.DOWN.color,
        ),
        **{
            style.text.capitalize(): (f"sum by (rack) ({STATE} == bool {style.value})", style.color)
            for style in (states.DOWN, states.HOT, states.WARM, states.OFF, states.UP)
        },
        "Warnings": (f"sum by (rack) ({throttled})", states.HOT.color),
        "Aliases": (
            'sum by (rack) (pirack_alias_success{job="rasp"} == bool 0)',
            states.WARM.color,
        ),
    }
    hottest = f"max by (rack) ({_TEMPERATURE})"
    queries = [*(expression for expression, _ in counts.values()), hottest]
    names = [f"Value #{chr(ord('A') + index)}" for index in range(len(queries))]
    columns = {"rack": "Rack", **dict(zip(names, [*counts, "Hottest"], strict=True))}
    background: Json = {"custom__cellOptions": _COLOR_BACKGROUND, "custom__align": "center"}
    return table(
        "Racks",
        "Firing alerts, rasps by state, rasps whose firmware reports a warning, failing aliases and"
        " the hottest rasp of each rack. Click a name to open the dashboard of the rack.",
        FieldConfig("string", no_value="No racks"),
        [table_query(query) for query in queries],
        columns=TableColumns(columns, sort_by=["Rack"], join_by="rack"),
        overrides=[
            override("Rack", links=links.rack_links("${__value.raw}")),
            override(
                "Hottest",
                unit="celsius",
                decimals=0,
                noValue="unknown",
                thresholds=states.temperature_thresholds(),
                **background,
            ),
            *(
                override(
                    name,
                    unit="none",
                    decimals=0,
                    noValue="unknown",
                    thresholds=states.thresholds((1, color), base_color="transparent"),
                    **background,
                )
                for name, (_, color) in counts.items()
            ),
        ],
    )


def _down_rasps() -> Json:
    return time_series(
        "Rasps that are down",
        "Rasps of each rack that do not respond although their stacks are on.",
        FieldConfig("none", decimals=0, min=0, color_mode="palette-classic"),
        [range_query(f"sum by (rack) ({STATE} == bool {states.DOWN.value})", "{{rack}}")],
        line_options=LineOptions(legend_table=True),
    )


def _hottest() -> Json:
    return time_series(
        "Hottest rasp of each rack",
        "Lines mark the thresholds for WARM and HOT.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            color_mode="palette-classic",
        ),
        [range_query(f"max by (rack) ({_TEMPERATURE})", "{{rack}}")],
        line_options=LineOptions(thresholds=True, legend_table=True),
    )
