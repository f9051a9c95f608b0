"""Panels about the master, at the bottom of *PiRack itself*."""

from grafana import states
from grafana.fields import FieldConfig, override_color
from grafana.json_format import Json
from grafana.panels import LineOptions, time_series
from grafana.queries import CONTROLLER, range_query


def temperature() -> Json:
    """Return the graph of the master's temperature."""
    return time_series(
        "Temperature",
        "Temperature of the system on chip. The graph is empty if the master has no sensor.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            no_value="No sensor",
        ),
        [range_query(f"max(pirack_master_temperature_celsius{{{CONTROLLER}}})", "temperature")],
        overrides=[override_color("temperature", states.ORANGE)],
        line_options=LineOptions(thresholds=True),
    )


def load() -> Json:
    """Return the graph of the master's load."""
    return time_series(
        "Load",
        "Running or waiting processes on the master, averaged over one minute.",
        FieldConfig("none", decimals=2, min=0),
        [range_query(f"max(pirack_master_load1{{{CONTROLLER}}})", "load")],
        overrides=[override_color("load", states.BLUE)],
    )


def _usage(title: str, description: str, resource: str, total_name: str) -> Json:
    available = f"max(pirack_master_{resource}_available_bytes{{{CONTROLLER}}})"
    total = f"max(pirack_master_{resource}_{total_name}_bytes{{{CONTROLLER}}})"
    return time_series(
        title,
        description,
        FieldConfig("percentunit", min=0, max=1, thresholds=states.usage_thresholds()),
        [range_query(f"1 - {available} / {total}", "used")],
        overrides=[override_color("used", states.BLUE)],
        line_options=LineOptions(thresholds=True),
    )


def memory() -> Json:
    """Return the graph of used memory."""
    return _usage(
        "Used memory",
        "Share of the master's memory that programs cannot use without swapping.",
        "memory",
        "total",
    )


def disk() -> Json:
    """Return the graph of used disk space."""
    return _usage(
        "Used disk space",
        "Used share of the file system that contains pirack.db.",
        "disk",
        "size",
    )
