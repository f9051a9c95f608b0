"""Panel *Hottest* of *Rack*, *Rack (classic)* and *Stack*."""

from dataclasses import replace

from grafana import links, states
from grafana.fields import FieldConfig
from grafana.json_format import Json
from grafana.panels import StatOptions, stat
from grafana.queries import RASP_LABELS, hottest_series, range_query


def hottest(description: str, rasps: str, options: StatOptions) -> Json:
    """Return the temperature of the hottest rasp, with its history.

    Args:
        description: Description of the panel.
        rasps: Label matchers that select the rasps.
        options: Options, to which the history is added.
    """
    series = hottest_series(f"pirack_cpu_temperature_celsius{{{rasps}}}", RASP_LABELS)
    return stat(
        "Hottest",
        description,
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            links=links.rasp_links_from_labels(),
            no_value="unknown",
        ),
        [range_query(series, "{{rasp}}")],
        stat_options=replace(options, sparkline=True),
    )
