"""How the master itself is: the panels at the bottom of *PiRack itself*."""

from grafana import states
from grafana.fields import FieldConfig, override_color
from grafana.json_format import Json
from grafana.panels import LineOptions, time_series
from grafana.queries import IN_RACK
from grafana.queries import range_query as over_time


def temperature() -> Json:
    """Return the course of the temperature of the master's system on chip."""
    return time_series(
        "Temperature of the master",
        "Of its system on chip; missing where it has no sensor.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            no_value="The master has no sensor.",
        ),
        [over_time(f"max(pirack_master_temperature_celsius{{{IN_RACK}}})", "temperature")],
        overrides=[override_color("temperature", states.ORANGE)],
        line_options=LineOptions(thresholds=True),
    )


def load() -> Json:
    """Return the course of the master's load."""
    return time_series(
        "Load of the master",
        "Processes that run or wait on the master, mean of a minute.",
        FieldConfig("none", decimals=2, min=0),
        [over_time(f"max(pirack_master_load1{{{IN_RACK}}})", "load")],
        overrides=[override_color("load", states.BLUE)],
    )


def _usage(title: str, description: str, resource: str, total_name: str) -> Json:
    available = f"max(pirack_master_{resource}_available_bytes{{{IN_RACK}}})"
    everything = f"max(pirack_master_{resource}_{total_name}_bytes{{{IN_RACK}}})"
    return time_series(
        title,
        description,
        FieldConfig("percentunit", decimals=0, min=0, max=1, thresholds=states.usage_thresholds()),
        [over_time(f"1 - {available} / {everything}", "in use")],
        overrides=[override_color("in use", states.BLUE)],
        line_options=LineOptions(thresholds=True),
    )


def memory() -> Json:
    """Return the course of the memory that is in use."""
    return _usage(
        "Memory of the master in use",
        "The part that programs can not get any more without swapping.",
        "memory",
        "total",
    )


def disk() -> Json:
    """Return the course of the disk that is in use."""
    return _usage(
        "Disk of the master in use",
        "Of the file system that holds pirack.db.",
        "disk",
        "size",
    )
