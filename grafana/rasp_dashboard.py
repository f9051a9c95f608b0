"""*Rasp*: how is this one, and what do its aliases say?"""

from grafana import annotations, links, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override, override_color
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.panels import LineOptions, stat, state_timeline, table, time_series
from grafana.queries import OF_RASP, RASP_LABELS, STATE, Query, table_query
from grafana.queries import range_query as over_time

_INFO_COLOR = states.STACK_STATES[1].color


def rasp_dashboard(defaults: DashboardDefaults) -> Json:
    """Return *Rasp*."""
    return make_dashboard(
        links.RASP_UID,
        "Rasp",
        "How is this Raspberry Pi, and what do its aliases say?",
        panels=layout_rows(
            (
                4,
                [
                    (_state(), 3),
                    (_ping(), 3),
                    (_uptime(), 3),
                    (_temperature_now(), 3),
                    (_power_condition(), 4),
                    (_root_file_system(), 4),
                    (_address(), 4),
                ],
            ),
            (8, [(_temperature(), 8), (_cpu(), 8), (_cpu_frequency(), 8)]),
            (8, [(_memory(), 8), (_disk(), 8), (_power_conditions_over_time(), 8)]),
            (13, [(_aliases_table(), COLUMNS)]),
        ),
        variables=variables(defaults, "rack", "stack", "rasp"),
        annotations=annotations.for_rasp(),
        page=("/rasps/${rasp}", "Page of the rasp"),
    )


def _state() -> Json:
    return stat(
        "State",
        "As the rule says: DOWN means that its exporter does not answer.",
        FieldConfig(
            "none", mappings=states.value_mappings(*states.RASP_STATES), no_value="UNKNOWN"
        ),
        [Query(f"max by ({RASP_LABELS}) ({STATE}{{{OF_RASP}}})", "{{rasp}}")],
    )


def _ping() -> Json:
    silent = states.ValueStyle(0, "silent", states.DOWN.color)
    answers = states.ValueStyle(1, "answers", states.UP.color)
    return stat(
        "Ping",
        "Whether it answers a ping. If it does and is DOWN, its exporter is what has died.",
        FieldConfig("none", mappings=states.value_mappings(silent, answers), no_value="unknown"),
        [Query(f"max by ({RASP_LABELS}) (probe_success{{{OF_RASP}}})", "{{rasp}}")],
    )


def _uptime() -> Json:
    return stat(
        "Up for",
        "How long its kernel has been running.",
        FieldConfig(
            "dtdhms", thresholds=states.thresholds(base_color=_INFO_COLOR), no_value="unknown"
        ),
        [Query(f"max by ({RASP_LABELS}) (pirack_uptime_seconds{{{OF_RASP}}})", "{{rasp}}")],
    )


def _temperature_now() -> Json:
    return stat(
        "Temperature",
        "Of its system on chip.",
        FieldConfig(
            "celsius", decimals=1, thresholds=states.temperature_thresholds(), no_value="unknown"
        ),
        [
            Query(
                f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{OF_RASP}}})", "{{rasp}}"
            )
        ],
    )


def _power_condition() -> Json:
    well = states.ValueStyle(0, "all well", states.UP.color)
    before = states.ValueStyle(1, "not always well", states.WARM.color)
    now = states.ValueStyle(2, "not well now", states.HOT.color)
    condition = f"pirack_power_condition{{{OF_RASP},since="
    return stat(
        "Supply and throttling",
        "What the firmware says of under-voltage, a capped clock, throttling and the soft"
        " temperature limit: none, some since the boot, or some now.",
        FieldConfig("none", mappings=states.value_mappings(well, before, now), no_value="unknown"),
        [
            Query(
                f'max by ({RASP_LABELS}) (2 * {condition}"now"}} or {condition}"boot"}})',
                "{{rasp}}",
            )
        ],
    )


def _root_file_system() -> Json:
    writable = states.ValueStyle(0, "writable", states.UP.color)
    readonly = states.ValueStyle(1, "READ-ONLY", states.DOWN.color)
    return stat(
        "Root file system",
        "A root file system that can only be read is the usual end of an SD card.",
        FieldConfig("none", mappings=states.value_mappings(writable, readonly), no_value="unknown"),
        [Query(f"max by ({RASP_LABELS}) (pirack_disk_readonly{{{OF_RASP}}})", "{{rasp}}")],
    )


def _address() -> Json:
    return stat(
        "Address",
        "The address at which Prometheus asks it. The MAC is on the rasp's page.",
        FieldConfig(
            "none", thresholds=states.thresholds(base_color=_INFO_COLOR), no_value="unknown"
        ),
        [Query(f'max by (instance) (up{{job="ping",{OF_RASP}}})', "{{instance}}")],
        text_mode="name",
    )


def _temperature() -> Json:
    return time_series(
        "Temperature",
        "Of its system on chip. Lines mark where WARM and HOT begin.",
        FieldConfig("celsius", decimals=1, thresholds=states.temperature_thresholds()),
        [
            over_time(
                f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{OF_RASP}}})",
                "temperature",
            )
        ],
        overrides=[override_color("temperature", states.ORANGE)],
        line_options=LineOptions(thresholds=True),
    )


def _cpu() -> Json:
    busy = f"rate(pirack_cpu_busy_seconds_total{{{OF_RASP}}}[$__rate_interval])"
    return time_series(
        "Busy cores and load",
        "How many cores work, and how many processes run or wait (mean of a minute).",
        FieldConfig("none", decimals=2, min=0),
        [
            over_time(f"sum by ({RASP_LABELS}) ({busy})", "busy cores"),
            over_time(f"max by ({RASP_LABELS}) (pirack_cpu_load1{{{OF_RASP}}})", "load"),
        ],
        overrides=[
            override_color("busy cores", states.BLUE),
            override_color("load", states.ORANGE),
        ],
    )


def _cpu_frequency() -> Json:
    return time_series(
        "Clock",
        "Of the first core, as the kernel set it; the firmware may slow it down further.",
        FieldConfig("hertz", decimals=1, min=0),
        [over_time(f"max by ({RASP_LABELS}) (pirack_cpu_frequency_hertz{{{OF_RASP}}})", "clock")],
        overrides=[override_color("clock", states.BLUE)],
    )


def _memory() -> Json:
    total = f"max by ({RASP_LABELS}) (pirack_memory_total_bytes{{{OF_RASP}}})"
    available = f"max by ({RASP_LABELS}) (pirack_memory_available_bytes{{{OF_RASP}}})"
    return time_series(
        "Memory",
        "What is in use, of all that the kernel manages.",
        FieldConfig("bytes", decimals=1, min=0),
        [over_time(f"{total} - {available}", "in use"), over_time(total, "all")],
        overrides=[override_color("in use", states.BLUE), override_color("all", states.GREY)],
    )


def _disk() -> Json:
    size = f"max by ({RASP_LABELS}) (pirack_disk_size_bytes{{{OF_RASP}}})"
    available = f"max by ({RASP_LABELS}) (pirack_disk_available_bytes{{{OF_RASP}}})"
    return time_series(
        "Root file system in use",
        "The part of the root file system that is full.",
        FieldConfig("percentunit", decimals=0, min=0, max=1, thresholds=states.usage_thresholds()),
        [over_time(f"1 - {available} / {size}", "full")],
        overrides=[override_color("full", states.BLUE)],
        line_options=LineOptions(thresholds=True),
    )


def _power_conditions_over_time() -> Json:
    no = states.ValueStyle(0, "no", states.NEUTRAL_COLOR)
    yes = states.ValueStyle(1, "yes", states.HOT.color)
    conditions = f'pirack_power_condition{{{OF_RASP},since="now"}}'
    return state_timeline(
        "What the firmware complains of",
        "When the supply was too weak, and when the firmware slowed the rasp down.",
        FieldConfig("none", mappings=states.value_mappings(no, yes)),
        [over_time(f"max by (condition) ({conditions})", "{{condition}}")],
        show_values=False,
    )


def _aliases_table() -> Json:
    worked = [
        states.ValueStyle(0, "failed", states.DOWN.color),
        states.ValueStyle(1, "worked", "text"),
    ]
    # An alias's metric is called after it; one that prints labels has a value for each.
    own = "pirack_(alias_.+|up|exporter_.+|config_.+)"
    value = f'{{__name__=~"pirack_.+",__name__!~"{own}",job="rasp",{OF_RASP}}}'
    named = f'label_replace({value}, "alias", "$1", "__name__", "pirack_(.+)")'
    return table(
        "Aliases",
        "What each alias said in the newest scrape, whether it worked and how long it took. Of one"
        " that prints several values the greatest is shown.",
        FieldConfig("none"),
        [
            table_query(f"max by (alias) ({named})"),
            table_query(f"max by (alias) (pirack_alias_success{{{OF_RASP}}})"),
            table_query(f"max by (alias) (pirack_alias_duration_seconds{{{OF_RASP}}})"),
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
                mappings=states.value_mappings(*worked),
                custom__cellOptions={"type": "color-text"},
            ),
            override("Duration", unit="s", decimals=1),
        ],
        join_by="alias",
    )
