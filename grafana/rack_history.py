"""Sections about the history, which *Rack* and *Rack (classic)* share."""

from grafana import links, power_panels, states
from grafana.fields import FieldConfig, override_color
from grafana.grid import PanelSection, Row
from grafana.json_format import Json
from grafana.panels import LineOptions, bar_gauge, bar_gauge_height, state_timeline, time_series
from grafana.queries import (
    CONTROLLER,
    IN_RACK,
    RASP_LABELS,
    RASPS_IN_RACK,
    STATE,
    Query,
    range_query,
)
from grafana.rack_summary import rasps_in_state
from rack.layout import Rack

_TIMELINE_MIN_HEIGHT, _TIMELINE_MAX_HEIGHT = 8, 60
_NIGHT = "12h"
_GRAPH_HEIGHT = 8
_BARS = 10
_TEMPERATURE = f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{RASPS_IN_RACK}}})"
_BUSY_SECONDS = f"pirack_cpu_busy_seconds_total{{{RASPS_IN_RACK}}}"
_BUSY_CORES = f"sum by ({RASP_LABELS}) (rate({_BUSY_SECONDS}[$__rate_interval]))"


def history_sections(rack: Rack, *, collapsed: bool = False) -> list[PanelSection]:
    """Return the sections about the history, the last ones of which are always collapsed."""
    power = [power_panels.rack_row(rack)] if power_panels.can_measure(rack) else []
    return [
        PanelSection("History", _history_rows(rack), collapsed),
        *([PanelSection("Power and energy", power, collapsed)] if power else []),
        PanelSection("Reservations and experiments", [_reservations_row(rack)], collapsed=True),
        PanelSection("State of each rasp", [_rasp_states_row(rack)], collapsed=True),
    ]


def _history_rows(rack: Rack) -> list[Row]:
    return [
        (_GRAPH_HEIGHT, [(_states_over_time(rack), 12), (_temperatures(), 12)]),
        (bar_gauge_height(_BARS), [(_hottest_ten(), 12), (_busiest_ten(), 12)]),
    ]


def _states_over_time(rack: Rack) -> Json:
    styles = (states.UP, states.WARM, states.HOT, states.OFF, states.DOWN, states.UNKNOWN)
    return time_series(
        "Rasps by state over time",
        "Number of rasps in each state, with power cuts, boots, installs and orders.",
        FieldConfig("none", decimals=0, min=0),
        [range_query(rasps_in_state(rack, style), style.text.capitalize()) for style in styles],
        overrides=[override_color(style.text.capitalize(), style.color) for style in styles],
        line_options=LineOptions(stacked=True),
    )


def _temperatures() -> Json:
    functions = {"Hottest": "max", "Median": "quantile", "Coolest": "min"}
    colors = (states.ORANGE, states.TEAL, states.BLUE)
    return time_series(
        "Temperature of the rack",
        "Hottest, median and coolest rasp. Lines mark the thresholds for WARM and HOT.",
        FieldConfig("celsius", decimals=0, thresholds=states.temperature_thresholds()),
        [
            range_query(
                f"{function}({'0.5, ' if function == 'quantile' else ''}{_TEMPERATURE})", legend
            )
            for legend, function in functions.items()
        ],
        overrides=[
            override_color(legend, color) for legend, color in zip(functions, colors, strict=True)
        ],
        line_options=LineOptions(thresholds=True),
    )


def _hottest_ten() -> Json:
    return bar_gauge(
        "Ten hottest rasps",
        "Rasps with the highest temperatures now.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(base_color=states.TEAL),
            links=links.rasp_links_from_labels(),
            min=20,
            max=90,
        ),
        [Query(f"sort_desc(topk({_BARS}, {_TEMPERATURE}))", "{{rasp}}")],
    )


def _busiest_ten() -> Json:
    return bar_gauge(
        "Ten busiest rasps",
        "Rasps with the most busy cores now. 1 is one core at full load.",
        FieldConfig(
            "none",
            decimals=2,
            thresholds=states.thresholds(base_color=states.BLUE),
            links=links.rasp_links_from_labels(),
            min=0,
            max=4,
        ),
        [Query(f"sort_desc(topk({_BARS}, {_BUSY_CORES}))", "{{rasp}}")],
    )


def _reservations_row(rack: Rack) -> Row:
    return _timeline_height(len(rack.stacks)), [(_reserved_stacks(), 12), (_stacks_in_runs(), 12)]


def _reserved_stacks() -> Json:
    return state_timeline(
        "Reserved stacks",
        "Number of the reservation of each stack over time.",
        FieldConfig("none", mappings=states.number_mappings(states.FREE, states.IN_USE_COLOR)),
        [
            range_query(
                f"max by (rack, stack) (pirack_reservation_stack{{{CONTROLLER}}})", "{{stack}}"
            )
        ],
    )


def _stacks_in_runs() -> Json:
    return state_timeline(
        "Stacks in runs of experiments",
        "Number of the run that uses each stack over time.",
        FieldConfig("none", mappings=states.number_mappings(states.FREE, states.IN_USE_COLOR)),
        [
            range_query(
                f"max by (rack, stack) (pirack_experiment_stack_run{{{CONTROLLER}}})", "{{stack}}"
            )
        ],
    )


def _rasp_states_row(rack: Rack) -> Row:
    panel = state_timeline(
        "State of each rasp over time",
        "States in the last twelve hours, or in the selected period. Rasps that changed their state"
        " in the night have several colors.",
        FieldConfig("none", mappings=states.value_mappings(*states.RASP_STATES)),
        [range_query(f"max by ({RASP_LABELS}) ({STATE}{{{IN_RACK}}})", "{{rasp}}")],
        show_values=False,
        time_from=_NIGHT,
    )
    return _timeline_height(len(rack.slots)), [(panel, 24)]


def _timeline_height(rows: int) -> int:
    return min(max(3 + -(-rows // 2), _TIMELINE_MIN_HEIGHT), _TIMELINE_MAX_HEIGHT)
