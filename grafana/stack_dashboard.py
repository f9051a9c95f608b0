"""*Stack*: how are the rasps that share a relay, and what happened to them?"""

from grafana import annotations, links, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override_matching
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.panels import LineOptions, stat, state_timeline, time_series
from grafana.queries import IN_STACK, RASP_LABELS, STATE, Query
from grafana.queries import range_query as over_time

_STATES = f"max by ({RASP_LABELS}) ({STATE}{{{IN_STACK}}})"
_DEFAULT_PALETTE = "palette-classic-by-name"  # slots beyond those that have a colour of their own
_TEMPERATURES = f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{IN_STACK}}})"


def stack_dashboard(defaults: DashboardDefaults) -> Json:
    """Return *Stack*."""
    return make_dashboard(
        links.STACK_UID,
        "Stack",
        "How are the rasps that share a relay, and what happened to them?",
        panels=layout_rows(
            (5, [(_power(), 4), (_reservation(), 4), (_rasps(), 12), (_hottest(), 4)]),
            (7, [(_states_over_time(), COLUMNS)]),
            (9, [(_temperature(), 8), (_cpu(), 8), (_memory(), 8)]),
        ),
        variables=variables(defaults, "rack", "stack"),
        annotations=annotations.for_stack(),
        page=("/stacks/${stack}", "Page of the stack"),
    )


def _power() -> Json:
    return stat(
        "Power",
        "The power that was commanded: what the relay was told, not what is seen.",
        FieldConfig(
            "none", mappings=states.value_mappings(*states.STACK_STATES), no_value="unknown"
        ),
        [Query(f"max by (rack, stack) (pirack_stack_power_state{{{IN_STACK}}})", "{{stack}}")],
    )


def _reservation() -> Json:
    free = states.ValueStyle(0, "free", states.UP.color)
    busy = states.ValueStyle(1, "busy", states.STACK_STATES[1].color)
    return stat(
        "Orders",
        "Whether an order or an install holds the stack now: until it ends, no other one can.",
        FieldConfig("none", mappings=states.value_mappings(free, busy), no_value="unknown"),
        [Query(f"max by (rack, stack) (pirack_stack_busy{{{IN_STACK}}})", "{{stack}}")],
    )


def _rasps() -> Json:
    return stat(
        "Rasps",
        "The state of each rasp. A click leads to its dashboard and to its page.",
        FieldConfig(
            "none",
            mappings=states.value_mappings(*states.RASP_STATES),
            no_value="UNKNOWN",
            links=links.rasp_links_from_labels(),
        ),
        [Query(_STATES, "{{rasp}}")],
        text_mode="value_and_name",
    )


def _hottest() -> Json:
    return stat(
        "Hottest",
        "The highest temperature of a system on chip in this stack.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            links=links.rasp_links_from_labels(),
            no_value="unknown",
        ),
        [Query(f"topk(1, {_TEMPERATURES})", "{{rasp}}")],
        text_mode="value_and_name",
    )


def _states_over_time() -> Json:
    return state_timeline(
        "States over time",
        "What became of each rasp, and when.",
        FieldConfig("none", mappings=states.value_mappings(*states.RASP_STATES)),
        [over_time(_STATES, "{{rasp}}")],
    )


def _temperature() -> Json:
    return time_series(
        "Temperature",
        "Of each system on chip. Lines mark where WARM and HOT begin.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            color_mode=_DEFAULT_PALETTE,
        ),
        [over_time(_TEMPERATURES, "{{rasp}}")],
        overrides=_slot_colors(),
        line_options=LineOptions(thresholds=True),
    )


def _cpu() -> Json:
    busy = f"rate(pirack_cpu_busy_seconds_total{{{IN_STACK}}}[$__rate_interval])"
    return time_series(
        "Busy cores",
        "How many cores of each rasp work: 1 is one core at full load.",
        FieldConfig("none", decimals=2, min=0, color_mode=_DEFAULT_PALETTE),
        [over_time(f"sum by ({RASP_LABELS}) ({busy})", "{{rasp}}")],
        overrides=_slot_colors(),
    )


def _memory() -> Json:
    available = f"pirack_memory_available_bytes{{{IN_STACK}}}"
    total = f"pirack_memory_total_bytes{{{IN_STACK}}}"
    return time_series(
        "Memory in use",
        "The part of each rasp's memory that programs can not get any more without swapping.",
        FieldConfig("percentunit", decimals=0, min=0, max=1, color_mode=_DEFAULT_PALETTE),
        [over_time(f"1 - {available} / {total}", "{{rasp}}")],
        overrides=_slot_colors(),
    )


def _slot_colors() -> list[Json]:
    """Return a colour for each slot, the same one in every stack."""
    return [
        override_matching(f"/-{number}$/", color={"mode": "fixed", "fixedColor": colour})
        for number, colour in enumerate(states.SLOT_COLORS, start=1)
    ]
