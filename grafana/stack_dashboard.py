"""Dashboard *Stack*, with state and history of the rasps of a stack."""

from grafana import annotations, links, power_panels, states
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.fields import FieldConfig, override_matching
from grafana.grid import COLUMNS, PanelSection, layout_sections
from grafana.hottest_panel import hottest
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
    CONTROLLER_STACK,
    IN_STACK,
    RASP_LABELS,
    RASPS_IN_STACK,
    STATE,
    Query,
    range_query,
)
from rack.layout import Rack

_STATES = f"max by ({RASP_LABELS}) ({STATE}{{{IN_STACK}}})"
_DEFAULT_PALETTE = "palette-classic"  # for slots without a fixed color
_TEMPERATURES = f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{RASPS_IN_STACK}}})"


def stack_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return *Stack*."""
    return make_dashboard(
        links.STACK_UID,
        "Stack",
        "What are the states and the history of the rasps of this stack?",
        panels=layout_sections(
            [
                (
                    SPARKLINE_HEIGHT,
                    [
                        (_power(), 5),
                        (_orders(), 5),
                        (_reservation(), 5),
                        (_run(), 5),
                        (_hottest(), 4),
                    ],
                ),
                (4, [(_rasps(), COLUMNS)]),
            ],
            PanelSection(
                "History",
                [
                    (7, [(_states_over_time(), COLUMNS)]),
                    (9, [(_temperature(), 8), (_cpu(), 8), (_memory(), 8)]),
                ],
            ),
            *(
                [PanelSection("Power and energy", [power_panels.stack_row(rack)])]
                if power_panels.can_measure(rack)
                else []
            ),
        ),
        variables=variables(defaults, "rack", "stack"),
        annotations=annotations.for_stack(rack),
        top_links=links.dashboard_links("/stacks/${stack}", "Page of the stack"),
    )


def _power() -> Json:
    return stat(
        "Power",
        "Commanded power of the stack, which can differ from the observed power.",
        FieldConfig(
            "none", mappings=states.value_mappings(*states.STACK_STATES), no_value="unknown"
        ),
        [
            Query(
                f"max by (rack, stack) (pirack_stack_power_state{{{CONTROLLER_STACK}}})",
                "{{stack}}",
            )
        ],
    )


def _orders() -> Json:
    busy = states.ValueStyle(1, "busy", states.IN_USE_COLOR)
    return stat(
        "Orders",
        "Whether an order or an install uses the stack. Other orders are then rejected.",
        FieldConfig("none", mappings=states.value_mappings(states.FREE, busy), no_value="unknown"),
        [Query(f"max by (rack, stack) (pirack_stack_busy{{{CONTROLLER_STACK}}})", "{{stack}}")],
    )


def _reservation() -> Json:
    return stat(
        "Reservation",
        "Number of the reservation of the stack.",
        FieldConfig(
            "none",
            mappings=states.number_mappings(states.FREE, states.IN_USE_COLOR),
            no_value="unknown",
        ),
        [
            Query(
                f"max by (rack, stack) (pirack_reservation_stack{{{CONTROLLER_STACK}}})",
                "{{stack}}",
            )
        ],
    )


def _run() -> Json:
    none = states.ValueStyle(0, "none", states.FREE.color)
    return stat(
        "Run",
        "Number of the run of an experiment that uses the stack.",
        FieldConfig(
            "none",
            mappings=states.number_mappings(none, states.IN_USE_COLOR),
            no_value="unknown",
        ),
        [
            Query(
                f"max by (rack, stack) (pirack_experiment_stack_run{{{CONTROLLER_STACK}}})",
                "{{stack}}",
            )
        ],
    )


def _rasps() -> Json:
    return stat(
        "Rasps",
        "State of each rasp. Click a rasp to open its dashboard or its page.",
        FieldConfig(
            "none",
            mappings=states.value_mappings(*states.RASP_STATES),
            no_value="UNKNOWN",
            links=links.rasp_links_from_labels(),
        ),
        [Query(_STATES, "{{rasp}}")],
        stat_options=StatOptions(text_mode="value_and_name"),
    )


def _hottest() -> Json:
    return hottest(
        "Highest temperature of a system on chip in this stack, with its history.",
        RASPS_IN_STACK,
        StatOptions(text_mode="value_and_name"),
    )


def _states_over_time() -> Json:
    return state_timeline(
        "States over time",
        "State of each rasp over time.",
        FieldConfig("none", mappings=states.value_mappings(*states.RASP_STATES)),
        [range_query(_STATES, "{{rasp}}")],
    )


def _temperature() -> Json:
    return time_series(
        "Temperature",
        "Temperature of each system on chip. Lines mark the thresholds for WARM and HOT.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            color_mode=_DEFAULT_PALETTE,
        ),
        [range_query(_TEMPERATURES, "{{rasp}}")],
        overrides=_slot_colors(),
        line_options=LineOptions(thresholds=True),
    )


def _cpu() -> Json:
    busy = f"rate(pirack_cpu_busy_seconds_total{{{RASPS_IN_STACK}}}[$__rate_interval])"
    return time_series(
        "Busy cores",
        "Busy cores of each rasp. 1 is one core at full load.",
        FieldConfig("none", decimals=2, min=0, color_mode=_DEFAULT_PALETTE),
        [range_query(f"sum by ({RASP_LABELS}) ({busy})", "{{rasp}}")],
        overrides=_slot_colors(),
    )


def _memory() -> Json:
    available = f"pirack_memory_available_bytes{{{RASPS_IN_STACK}}}"
    total = f"pirack_memory_total_bytes{{{RASPS_IN_STACK}}}"
    return time_series(
        "Used memory",
        "Share of each rasp's memory that programs cannot use without swapping.",
        FieldConfig("percentunit", min=0, max=1, color_mode=_DEFAULT_PALETTE),
        [range_query(f"1 - {available} / {total}", "{{rasp}}")],
        overrides=_slot_colors(),
    )


def _slot_colors() -> list[Json]:
    """Return the overrides for the colors of slots, which are the same in all stacks."""
    return [
        override_matching(f"/-{number}$/", color={"mode": "fixed", "fixedColor": color})
        for number, color in enumerate(states.SLOT_COLORS, start=1)
    ]
