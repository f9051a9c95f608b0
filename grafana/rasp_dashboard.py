"""*Rasp*: how is this one, and what do its aliases say?"""

from grafana import annotations, links, states
from grafana.envelope import Place, dashboard, variables
from grafana.fields import Field, override, painted
from grafana.grid import COLUMNS, in_rows
from grafana.panels import Curves, course, stat, table, timeline
from grafana.queries import OF_RASP, PLACE, STATE, Query, rows
from grafana.queries import course as over_time
from grafana.readable import Json

_CALM = states.STACK[1].colour


def rasp_dashboard(place: Place) -> Json:
    """Return *Rasp*."""
    return dashboard(
        links.RASP,
        "Rasp",
        "How is this Raspberry Pi, and what do its aliases say?",
        panels=in_rows(
            (
                4,
                [
                    (_state(), 3),
                    (_ping(), 3),
                    (_uptime(), 3),
                    (_temperature_now(), 3),
                    (_firmware(), 4),
                    (_root(), 4),
                    (_address(), 4),
                ],
            ),
            (8, [(_temperature(), 8), (_cpu(), 8), (_clock(), 8)]),
            (8, [(_memory(), 8), (_disk(), 8), (_conditions(), 8)]),
            (13, [(_aliases(), COLUMNS)]),
        ),
        variables=variables(place, "rack", "stack", "rasp"),
        annotations=annotations.of_rasp(),
        page=("/rasps/${rasp}", "Page of the rasp"),
    )


def _state() -> Json:
    return stat(
        "State",
        "As the rule says: DOWN means that its exporter does not answer.",
        Field("none", mappings=states.mapping(*states.RASP), nothing="UNKNOWN"),
        [Query(f"max by ({PLACE}) ({STATE}{{{OF_RASP}}})", "{{rasp}}")],
    )


def _ping() -> Json:
    silent = states.Shown(0, "silent", states.DOWN.colour)
    answers = states.Shown(1, "answers", states.UP.colour)
    return stat(
        "Ping",
        "Whether it answers a ping. If it does and is DOWN, its exporter is what has died.",
        Field("none", mappings=states.mapping(silent, answers), nothing="unknown"),
        [Query(f"max by ({PLACE}) (probe_success{{{OF_RASP}}})", "{{rasp}}")],
    )


def _uptime() -> Json:
    return stat(
        "Up for",
        "How long its kernel has been running.",
        Field("dtdhms", thresholds=states.steps(base=_CALM), nothing="unknown"),
        [Query(f"max by ({PLACE}) (pirack_uptime_seconds{{{OF_RASP}}})", "{{rasp}}")],
    )


def _temperature_now() -> Json:
    return stat(
        "Temperature",
        "Of its system on chip.",
        Field("celsius", decimals=1, thresholds=states.temperature_steps(), nothing="unknown"),
        [Query(f"max by ({PLACE}) (pirack_cpu_temperature_celsius{{{OF_RASP}}})", "{{rasp}}")],
    )


def _firmware() -> Json:
    well = states.Shown(0, "all well", states.UP.colour)
    before = states.Shown(1, "not always well", states.WARM.colour)
    now = states.Shown(2, "not well now", states.HOT.colour)
    condition = f"pirack_power_condition{{{OF_RASP},since="
    return stat(
        "Supply and throttling",
        "What the firmware says of under-voltage, a capped clock, throttling and the soft"
        " temperature limit: none, some since the boot, or some now.",
        Field("none", mappings=states.mapping(well, before, now), nothing="unknown"),
        [Query(f'max by ({PLACE}) (2 * {condition}"now"}} or {condition}"boot"}})', "{{rasp}}")],
    )


def _root() -> Json:
    writable = states.Shown(0, "writable", states.UP.colour)
    readonly = states.Shown(1, "READ-ONLY", states.DOWN.colour)
    return stat(
        "Root file system",
        "A root file system that can only be read is the usual end of an SD card.",
        Field("none", mappings=states.mapping(writable, readonly), nothing="unknown"),
        [Query(f"max by ({PLACE}) (pirack_disk_readonly{{{OF_RASP}}})", "{{rasp}}")],
    )


def _address() -> Json:
    return stat(
        "Address",
        "The address at which Prometheus asks it. The MAC is on the rasp's page.",
        Field("none", thresholds=states.steps(base=_CALM), nothing="unknown"),
        [Query(f'max by (instance) (up{{job="ping",{OF_RASP}}})', "{{instance}}")],
        text="name",
    )


def _temperature() -> Json:
    return course(
        "Temperature",
        "Of its system on chip. Lines mark where WARM and HOT begin.",
        Field("celsius", decimals=1, thresholds=states.temperature_steps()),
        [
            over_time(
                f"max by ({PLACE}) (pirack_cpu_temperature_celsius{{{OF_RASP}}})", "temperature"
            )
        ],
        overrides=[painted("temperature", states.ORANGE)],
        curves=Curves(limits=True),
    )


def _cpu() -> Json:
    busy = f"rate(pirack_cpu_busy_seconds_total{{{OF_RASP}}}[$__rate_interval])"
    return course(
        "Busy cores and load",
        "How many cores work, and how many processes run or wait (mean of a minute).",
        Field("none", decimals=2, least=0),
        [
            over_time(f"sum by ({PLACE}) ({busy})", "busy cores"),
            over_time(f"max by ({PLACE}) (pirack_cpu_load1{{{OF_RASP}}})", "load"),
        ],
        overrides=[painted("busy cores", states.BLUE), painted("load", states.ORANGE)],
    )


def _clock() -> Json:
    return course(
        "Clock",
        "Of the first core, as the kernel set it; the firmware may slow it down further.",
        Field("hertz", decimals=1, least=0),
        [over_time(f"max by ({PLACE}) (pirack_cpu_frequency_hertz{{{OF_RASP}}})", "clock")],
        overrides=[painted("clock", states.BLUE)],
    )


def _memory() -> Json:
    total = f"max by ({PLACE}) (pirack_memory_total_bytes{{{OF_RASP}}})"
    available = f"max by ({PLACE}) (pirack_memory_available_bytes{{{OF_RASP}}})"
    return course(
        "Memory",
        "What is in use, of all that the kernel manages.",
        Field("bytes", decimals=1, least=0),
        [over_time(f"{total} - {available}", "in use"), over_time(total, "all")],
        overrides=[painted("in use", states.BLUE), painted("all", states.GREY)],
    )


def _disk() -> Json:
    size = f"max by ({PLACE}) (pirack_disk_size_bytes{{{OF_RASP}}})"
    available = f"max by ({PLACE}) (pirack_disk_available_bytes{{{OF_RASP}}})"
    return course(
        "Root file system in use",
        "The part of the root file system that is full.",
        Field("percentunit", decimals=0, least=0, most=1, thresholds=states.fullness_steps()),
        [over_time(f"1 - {available} / {size}", "full")],
        overrides=[painted("full", states.BLUE)],
        curves=Curves(limits=True),
    )


def _conditions() -> Json:
    no = states.Shown(0, "no", states.NOTHING_COLOUR)
    yes = states.Shown(1, "yes", states.HOT.colour)
    conditions = f'pirack_power_condition{{{OF_RASP},since="now"}}'
    return timeline(
        "What the firmware complains of",
        "When the supply was too weak, and when the firmware slowed the rasp down.",
        Field("none", mappings=states.mapping(no, yes)),
        [over_time(f"max by (condition) ({conditions})", "{{condition}}")],
        words=False,
    )


def _aliases() -> Json:
    worked = [states.Shown(0, "failed", states.DOWN.colour), states.Shown(1, "worked", "text")]
    # An alias's metric is called after it; one that prints labels has a value for each.
    own = "pirack_(alias_.+|up|exporter_.+|config_.+)"
    value = f'{{__name__=~"pirack_.+",__name__!~"{own}",job="rasp",{OF_RASP}}}'
    named = f'label_replace({value}, "alias", "$1", "__name__", "pirack_(.+)")'
    return table(
        "Aliases",
        "What each alias said in the newest scrape, whether it worked and how long it took. Of one"
        " that prints several values the greatest is shown.",
        Field("none"),
        [
            rows(f"max by (alias) ({named})"),
            rows(f"max by (alias) (pirack_alias_success{{{OF_RASP}}})"),
            rows(f"max by (alias) (pirack_alias_duration_seconds{{{OF_RASP}}})"),
        ],
        columns={
            "alias": "Alias",
            "Value #A": "Value",
            "Value #B": "Success",
            "Value #C": "Duration",
        },
        overrides=[
            override("Value", unit="none"),
            override(
                "Success",
                mappings=states.mapping(*worked),
                custom__cellOptions={"type": "color-text"},
            ),
            override("Duration", unit="s", decimals=1),
        ],
        by="alias",
    )
