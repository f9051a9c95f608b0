"""Dashboard *Rasp*, with the state and the alias values of a rasp."""

from grafana import annotations, links, power_panels, states
from grafana.alias_table import ALIAS_TABLE_HEIGHT, alias_table
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override_color
from grafana.grid import COLUMNS, PanelSection, layout_sections
from grafana.json_format import Json
from grafana.panels import (
    SPARKLINE_HEIGHT,
    LineOptions,
    StatOptions,
    stat,
    state_timeline,
    time_series,
)
from grafana.queries import (
    OF_RASP,
    RASP,
    RASP_LABELS,
    REMEMBERED_CONDITION,
    STATE,
    Query,
    present_series,
    range_query,
)
from rack.layout import Rack

_PING = f'job="ping",{OF_RASP}'
_INFO_COLOR = states.STACK_STATES[1].color
_TEMPERATURE = f"pirack_cpu_temperature_celsius{{{RASP}}}"


def rasp_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return *Rasp*."""
    return make_dashboard(
        links.RASP_UID,
        "Rasp",
        "What are the state and the alias values of this rasp?",
        panels=layout_sections(
            [
                (
                    SPARKLINE_HEIGHT,
                    [(_state(), 6), (_ping(), 6), (_uptime(), 6), (_temperature_now(), 6)],
                ),
                (3, [(_power_condition(), 8), (_root_file_system(), 8), (_address(), 8)]),
            ],
            PanelSection(
                "History",
                [
                    (8, [(_temperature(), 8), (_cpu(), 8), (_cpu_frequency(), 8)]),
                    (8, [(_memory(), 8), (_disk(), 8), (_power_conditions_over_time(), 8)]),
                ],
            ),
            *(
                [PanelSection("Power and energy", [power_panels.rasp_row()])]
                if power_panels.can_measure(rack)
                else []
            ),
            PanelSection("Aliases", [(ALIAS_TABLE_HEIGHT, [(alias_table(), COLUMNS)])]),
        ),
        variables=variables(defaults, "rack", "stack", "rasp"),
        annotations=annotations.for_rasp(rack),
        top_links=links.dashboard_links("/rasps/${rasp}", "Page of the rasp"),
    )


def _state() -> Json:
    return stat(
        "State",
        "State that the recording rule computes. DOWN means that the exporter does not respond.",
        FieldConfig(
            "none", mappings=states.value_mappings(*states.RASP_STATES), no_value="UNKNOWN"
        ),
        [Query(f"max by ({RASP_LABELS}) ({STATE}{{{OF_RASP}}})", "{{rasp}}")],
    )


def _ping() -> Json:
    no_response = states.ValueStyle(0, "no response", states.DOWN.color)
    responds = states.ValueStyle(1, "responds", states.UP.color)
    return stat(
        "Ping",
        "Whether the rasp responds to ping. If a rasp responds but is DOWN, its exporter failed.",
        FieldConfig(
            "none", mappings=states.value_mappings(no_response, responds), no_value="unknown"
        ),
        [Query(f"max by ({RASP_LABELS}) (probe_success{{{_PING}}})", "{{rasp}}")],
    )


def _uptime() -> Json:
    return stat(
        "Uptime",
        "Time since the kernel started.",
        FieldConfig(
            "dtdhms", thresholds=states.thresholds(base_color=_INFO_COLOR), no_value="unknown"
        ),
        [Query(f"max by ({RASP_LABELS}) (pirack_uptime_seconds{{{RASP}}})", "{{rasp}}")],
    )


def _temperature_now() -> Json:
    return stat(
        "Temperature",
        "Temperature of the system on chip, with its history.",
        FieldConfig(
            "celsius", decimals=1, thresholds=states.temperature_thresholds(), no_value="unknown"
        ),
        [range_query(present_series(_TEMPERATURE, RASP_LABELS), "{{rasp}}")],
        stat_options=StatOptions(sparkline=True),
    )


def _power_condition() -> Json:
    normal = states.ValueStyle(0, "none", states.UP.color)
    since_boot = states.ValueStyle(1, "since boot", states.WARM.color)
    now = states.ValueStyle(2, "now", states.HOT.color)
    condition = f"pirack_power_condition{{{RASP},since="
    # The time of the condition, as the value 1.
    remembered = f"{REMEMBERED_CONDITION}{{{OF_RASP}}} ^ 0"
    return stat(
        "Power warnings",
        "Whether the firmware reports under-voltage, a capped clock, throttling or the soft"
        " temperature limit, now or since the last boot.",
        FieldConfig(
            "none", mappings=states.value_mappings(normal, since_boot, now), no_value="unknown"
        ),
        [
            Query(
                f"max by ({RASP_LABELS})"
                f' (2 * {condition}"now"}} or {condition}"boot"}} or {remembered})',
                "{{rasp}}",
            )
        ],
    )


def _root_file_system() -> Json:
    writable = states.ValueStyle(0, "writable", states.UP.color)
    readonly = states.ValueStyle(1, "READ-ONLY", states.DOWN.color)
    return stat(
        "Root file system",
        "A read-only root file system usually indicates a failing SD card.",
        FieldConfig("none", mappings=states.value_mappings(writable, readonly), no_value="unknown"),
        [Query(f"max by ({RASP_LABELS}) (pirack_disk_readonly{{{RASP}}})", "{{rasp}}")],
    )


def _address() -> Json:
    return stat(
        "Address",
        "Address that Prometheus scrapes. The page of the rasp shows the MAC address.",
        FieldConfig(
            "none", thresholds=states.thresholds(base_color=_INFO_COLOR), no_value="unknown"
        ),
        [Query(f"max by (instance) (up{{{_PING}}})", "{{instance}}")],
        stat_options=StatOptions(text_mode="name"),
    )


def _temperature() -> Json:
    return time_series(
        "Temperature",
        "Temperature of the system on chip. Lines mark the thresholds for WARM and HOT.",
        FieldConfig("celsius", decimals=1, thresholds=states.temperature_thresholds()),
        [
            range_query(
                f"max by ({RASP_LABELS}) ({_TEMPERATURE})",
                "temperature",
            )
        ],
        overrides=[override_color("temperature", states.ORANGE)],
        line_options=LineOptions(thresholds=True),
    )


def _cpu() -> Json:
    busy = f"rate(pirack_cpu_busy_seconds_total{{{RASP}}}[$__rate_interval])"
    return time_series(
        "Busy cores and load",
        "Busy cores, and running or waiting processes averaged over one minute.",
        FieldConfig("none", decimals=2, min=0),
        [
            range_query(f"sum by ({RASP_LABELS}) ({busy})", "busy cores"),
            range_query(f"max by ({RASP_LABELS}) (pirack_cpu_load1{{{RASP}}})", "load"),
        ],
        overrides=[
            override_color("busy cores", states.BLUE),
            override_color("load", states.ORANGE),
        ],
    )


def _cpu_frequency() -> Json:
    return time_series(
        "CPU clock",
        "Clock of the first core as set by the kernel. The firmware may lower it further.",
        FieldConfig("hertz", decimals=1, min=0),
        [range_query(f"max by ({RASP_LABELS}) (pirack_cpu_frequency_hertz{{{RASP}}})", "clock")],
        overrides=[override_color("clock", states.BLUE)],
    )


def _memory() -> Json:
    total = f"max by ({RASP_LABELS}) (pirack_memory_total_bytes{{{RASP}}})"
    available = f"max by ({RASP_LABELS}) (pirack_memory_available_bytes{{{RASP}}})"
    return time_series(
        "Memory",
        "Used memory, and total memory managed by the kernel.",
        FieldConfig("bytes", decimals=1, min=0),
        [range_query(f"{total} - {available}", "used"), range_query(total, "total")],
        overrides=[override_color("used", states.BLUE), override_color("total", states.GREY)],
    )


def _disk() -> Json:
    size = f"max by ({RASP_LABELS}) (pirack_disk_size_bytes{{{RASP}}})"
    available = f"max by ({RASP_LABELS}) (pirack_disk_available_bytes{{{RASP}}})"
    return time_series(
        "Used root file system",
        "Share of the root file system that is in use or reserved.",
        FieldConfig("percentunit", min=0, max=1, thresholds=states.usage_thresholds()),
        [range_query(f"1 - {available} / {size}", "used")],
        overrides=[override_color("used", states.BLUE)],
        line_options=LineOptions(thresholds=True),
    )


def _power_conditions_over_time() -> Json:
    no = states.ValueStyle(0, "no", states.NEUTRAL_COLOR)
    yes = states.ValueStyle(1, "yes", states.HOT.color)
    conditions = f'pirack_power_condition{{{RASP},since="now"}}'
    return state_timeline(
        "Power warnings over time",
        "Times of under-voltage, throttling and other warnings of the firmware.",
        FieldConfig("none", mappings=states.value_mappings(no, yes)),
        [range_query(f"max by (condition) ({conditions})", "{{condition}}")],
        show_values=False,
    )
