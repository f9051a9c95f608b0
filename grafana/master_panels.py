"""How the master itself is: the panels at the bottom of *PiRack itself*."""

from grafana import states
from grafana.fields import Field, painted
from grafana.panels import Curves, course
from grafana.queries import IN_RACK
from grafana.queries import course as over_time
from grafana.readable import Json


def temperature() -> Json:
    """Return the course of the temperature of the master's system on chip."""
    return course(
        "Temperature of the master",
        "Of its system on chip; missing where it has no sensor.",
        Field(
            "celsius",
            decimals=0,
            thresholds=states.temperature_steps(),
            nothing="The master has no sensor.",
        ),
        [over_time(f"max(pirack_master_temperature_celsius{{{IN_RACK}}})", "temperature")],
        overrides=[painted("temperature", states.ORANGE)],
        curves=Curves(limits=True),
    )


def load() -> Json:
    """Return the course of the master's load."""
    return course(
        "Load of the master",
        "Processes that run or wait on the master, mean of a minute.",
        Field("none", decimals=2, least=0),
        [over_time(f"max(pirack_master_load1{{{IN_RACK}}})", "load")],
        overrides=[painted("load", states.BLUE)],
    )


def _used(title: str, description: str, kind: str, all_of_it: str) -> Json:
    available = f"max(pirack_master_{kind}_available_bytes{{{IN_RACK}}})"
    everything = f"max(pirack_master_{kind}_{all_of_it}_bytes{{{IN_RACK}}})"
    return course(
        title,
        description,
        Field("percentunit", decimals=0, least=0, most=1, thresholds=states.fullness_steps()),
        [over_time(f"1 - {available} / {everything}", "in use")],
        overrides=[painted("in use", states.BLUE)],
        curves=Curves(limits=True),
    )


def memory() -> Json:
    """Return the course of the memory that is in use."""
    return _used(
        "Memory of the master in use",
        "The part that programs can not get any more without swapping.",
        "memory",
        "total",
    )


def disk() -> Json:
    """Return the course of the disk that is in use."""
    return _used(
        "Disk of the master in use",
        "Of the file system that holds pirack.db.",
        "disk",
        "size",
    )
