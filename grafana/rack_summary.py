"""First row of *Rack* and *Rack (classic)*, with the numbers of rasps and issues."""

from grafana import links, states
from grafana.fields import FieldConfig, override
from grafana.grid import Row
from grafana.json_format import Json
from grafana.panels import (
    StatOptions,
    stat,
)
from grafana.queries import (
    ALERTS,
    CONTROLLER,
    IN_RACK,
    RASP_LABELS,
    RASPS_IN_RACK,
    STATE,
    Query,
    hottest_series,
    range_query,
)
from rack.layout import Rack

_HEIGHT = 4
_VALUE_SIZE = 28  # pixels


def summary_row(rack: Rack) -> Row:
    """Return the first row."""
    return _HEIGHT, [
        (_rasps_by_state(rack), 9),
        (_hottest(), 3),
        (_power_warning_count(), 4),
        (_firing_alert_count(), 4),
        (_failing_alias_count(), 4),
    ]


def rasps_in_state(rack: Rack, style: states.ValueStyle) -> str:
    """Return the number of rasps in a state, if any rasp has a state."""
    if style == states.UNKNOWN:
        return _unknown_rasps(rack, f"count({STATE}{{{IN_RACK}}})")
    return f"sum({STATE}{{{IN_RACK}}} == bool {style.value})"


def _unknown_rasps(rack: Rack, known: str) -> str:
    # The number of the generated rack is used while the controller does not export it.
    slots = f"(max(pirack_rack_slots{{{CONTROLLER}}}) or vector({len(rack.slots)}))"
    return f"clamp_min({slots} - {known}, 0)"


def _rasps_by_state(rack: Rack) -> Json:
    styles = (states.UP, states.WARM, states.HOT, states.DOWN, states.OFF, states.UNKNOWN)
    numbers = {style: rasps_in_state(rack, style) for style in styles}
    # All rasps are unknown if none has a state.
    numbers[states.UNKNOWN] = _unknown_rasps(rack, f"(count({STATE}{{{IN_RACK}}}) or vector(0))")
    return stat(
        "Rasps by state",
        "Number of rasps in each state, in the colors of the rack below. Unknown are slots without"
        " a state, for example because no rasp is installed there.",
        FieldConfig("none", decimals=0),
        [Query(number, style.text.capitalize()) for style, number in numbers.items()],
        overrides=[
            override(
                style.text.capitalize(),
                thresholds=states.thresholds((1, style.color), base_color=states.NEUTRAL_COLOR),
            )
            for style in styles
        ],
        stat_options=StatOptions(text_mode="value_and_name", value_size=_VALUE_SIZE),
    )


def _hottest() -> Json:
    temperature = f"pirack_cpu_temperature_celsius{{{RASPS_IN_RACK}}}"
    return stat(
        "Hottest",
        "Rasp with the highest temperature of the system on chip, with its history.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            links=links.rasp_links_from_labels(),
            no_value="unknown",
        ),
        [
            range_query(
                hottest_series(temperature, RASP_LABELS),
                "{{rasp}}",
            )
        ],
        stat_options=StatOptions(
            text_mode="value_and_name", value_size=_VALUE_SIZE, sparkline=True
        ),
    )


def _issue_count(title: str, description: str, expression: str, color: str) -> Json:
    return stat(
        title,
        description,
        FieldConfig(
            "none", decimals=0, thresholds=states.thresholds((1, color)), no_value="unknown"
        ),
        [Query(expression, title)],
        stat_options=StatOptions(value_size=_VALUE_SIZE),
    )


def _power_warning_count() -> Json:
    conditions = f'max by ({RASP_LABELS}) (pirack_power_condition{{{RASPS_IN_RACK},since="now"}})'
    return _issue_count(
        "Power warnings",
        "Rasps whose firmware reports under-voltage, a capped clock, throttling or the soft"
        " temperature limit now.",
        f"sum({conditions})",
        states.HOT.color,
    )


def _firing_alert_count() -> Json:
    return _issue_count(
        "Firing alerts",
        "Alerts that fire now, of any severity.",
        f"count({ALERTS}) or vector(0)",
        states.DOWN.color,
    )


def _failing_alias_count() -> Json:
    return _issue_count(
        "Failing aliases",
        "Aliases that failed in the last scrape. Rasps that did not respond are not counted.",
        f"sum(pirack_alias_success{{{RASPS_IN_RACK}}} == bool 0)",
        states.WARM.color,
    )
