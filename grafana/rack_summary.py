"""First row of *Rack* and *Rack (classic)*, with the numbers of rasps and issues."""

from dataclasses import replace

from grafana import states
from grafana.fields import FieldConfig, override
from grafana.grid import Row
from grafana.hottest_panel import hottest
from grafana.json_format import Json
from grafana.panels import SPARKLINE_HEIGHT, StatOptions, stat
from grafana.queries import (
    ALERTS,
    CONTROLLER,
    IN_RACK,
    RASP_LABELS,
    RASPS_IN_RACK,
    STATE,
    Query,
)
from rack.layout import Rack

_OPTIONS = StatOptions(text_mode="value_and_name", value_size=28)


def summary_row(rack: Rack) -> Row:
    """Return the first row."""
    return SPARKLINE_HEIGHT, [
        (_rasps_by_state(rack), 11),
        (_hottest(), 4),
        (_issues(), 9),
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
        # A phone is too narrow for six values side by side.
        stat_options=replace(_OPTIONS, orientation="auto"),
    )


def _hottest() -> Json:
    return hottest(
        "Rasp with the highest temperature of the system on chip, with its history.",
        RASPS_IN_RACK,
        _OPTIONS,
    )


def _issues() -> Json:
    conditions = f'max by ({RASP_LABELS}) (pirack_power_condition{{{RASPS_IN_RACK},since="now"}})'
    unknown = f"or vector({states.UNKNOWN.value})"
    counts = {
        "Firing alerts": (f"count({ALERTS}) or vector(0)", states.DOWN.color),
        "Power warnings": (f"sum({conditions}) {unknown}", states.HOT.color),
        "Failing aliases": (
            f"sum(pirack_alias_success{{{RASPS_IN_RACK}}} == bool 0) {unknown}",
            states.WARM.color,
        ),
    }
    return stat(
        "Issues",
        "Alerts that fire now, rasps whose firmware reports under-voltage, a capped clock,"
        " throttling or the soft temperature limit now, and aliases that failed in the last scrape."
        " Rasps that did not respond are not counted.",
        FieldConfig(
            "none",
            decimals=0,
            mappings=states.value_mappings(states.ValueStyle(-1, "?", states.UNKNOWN_COLOR)),
        ),
        [Query(expression, name) for name, (expression, _) in counts.items()],
        overrides=[
            override(name, thresholds=states.thresholds((1, color)))
            for name, (_, color) in counts.items()
        ],
        stat_options=_OPTIONS,
    )
