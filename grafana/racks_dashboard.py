"""Dashboard *Racks*, with all racks of a site."""

from grafana import links, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.panels import LineOptions, table, time_series
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
        **{
            style.text.capitalize(): (f"sum by (rack) ({STATE} == bool {style.value})", style.color)
            for style in (states.UP, states.WARM, states.HOT, states.DOWN, states.OFF)
        },
        "Throttled or under-voltage": (f"sum by (rack) ({throttled})", states.HOT.color),
        "Failing aliases": (
            'sum by (rack) (pirack_alias_success{job="rasp"} == bool 0)',
            states.WARM.color,
        ),
        "Firing alerts": (
            f"count by (rack) ({alerts}) or 0 * count by (rack) ({STATE})",
            states.DOWN.color,
        ),
    }
    hottest = f"max by (rack) ({_TEMPERATURE})"
    queries = [hottest, *(expression for expression, _ in counts.values())]
    names = [f"Value #{chr(ord('A') + index)}" for index in range(len(queries))]
    columns = {"rack": "Rack", **dict(zip(names, ["Hottest", *counts], strict=True))}
    background: Json = {"custom__cellOptions": _COLOR_BACKGROUND, "custom__align": "center"}
    return table(
        "Racks",
        "Hottest rasp, rasps by state and issues of each rack. Click a name to open the dashboard"
        " of the rack.",
        FieldConfig("none", decimals=0),
        [table_query(query) for query in queries],
        columns=columns,
        overrides=[
            override("Rack", links=links.rack_links("${__value.raw}")),
            override(
                "Hottest",
                unit="celsius",
                thresholds=states.temperature_thresholds(),
                **background,
            ),
            *(
                override(
                    name,
                    thresholds=states.thresholds((1, color), base_color="transparent"),
                    **background,
                )
                for name, (_, color) in counts.items()
            ),
        ],
        join_by="rack",
    )


def _down_rasps() -> Json:
    return time_series(
        "Rasps that are down",
        "Rasps of each rack that do not respond although their stacks are on.",
        FieldConfig("none", decimals=0, min=0, color_mode="palette-classic-by-name"),
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
            color_mode="palette-classic-by-name",
        ),
        [range_query(f"max by (rack) ({_TEMPERATURE})", "{{rack}}")],
        line_options=LineOptions(thresholds=True, legend_table=True),
    )
