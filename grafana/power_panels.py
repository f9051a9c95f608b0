"""Panels of the power and energy that outlets measure.

The relays on the master's pins measure nothing, so a rack that has no other outlets has none of
these panels.
"""

from grafana import states
from grafana.fields import FieldConfig, override_matching
from grafana.grid import Row
from grafana.json_format import Json
from grafana.panels import LineOptions, bar_gauge, bar_gauge_height, time_series
from grafana.queries import CONTROLLER, CONTROLLER_STACK, OF_RASP, STATE, Query, range_query
from rack.layout import GPIO, Rack

_JOULES_PER_WATT_HOUR = 3600
_MIN_HEIGHT = 8
_OF_SLOTS, _OF_STACK = 'slot!=""', 'slot=""'
# The metrics of outlets have no label `rasp`.
_RASP = f"and on (rack, stack, slot) {STATE}{{{OF_RASP}}}"


def can_measure(rack: Rack) -> bool:
    """Return whether outlets of a rack may measure power."""
    return any(outlet.source != GPIO for outlet in rack.outlets)


def rack_row(rack: Rack) -> Row:
    """Return the row of a rack, by stack."""
    watts, energy = _watts(CONTROLLER), _watt_hours(CONTROLLER)
    return _row(
        [range_query(f"sum by (stack) ({watts})", "{{stack}}")],
        [Query(f"sum by (stack) ({energy})", "{{stack}}")],
        "of the stacks",
        bars=len(rack.stacks),
        stacked=True,
    )


def stack_row(rack: Rack) -> Row:
    """Return the row of a stack: by rasp, or the whole stack if its rasps share an outlet."""
    legends = {_OF_SLOTS: "{{stack}}-{{slot}}", _OF_STACK: "stack {{stack}}"}
    selectors = {f"{CONTROLLER_STACK},{slot}": legend for slot, legend in legends.items()}
    labels = "stack, slot"
    return _row(
        [range_query(f"sum by ({labels}) ({_watts(on)})", name) for on, name in selectors.items()],
        [Query(f"sum by ({labels}) ({_watt_hours(on)})", name) for on, name in selectors.items()],
        "of the rasps",
        bars=max(len(stack.outlets) for stack in rack.stacks),
        overrides=[
            override_matching(f"/-{number}$/", color={"mode": "fixed", "fixedColor": color})
            for number, color in enumerate(states.SLOT_COLORS, start=1)
        ],
    )


def rasp_row() -> Row:
    """Return the row of a rasp with an outlet of its own."""
    outlets = f"{CONTROLLER},{_OF_SLOTS}"
    return _row(
        [range_query(f"sum({_watts(outlets)} {_RASP})", "power")],
        [Query(f"sum({_watt_hours(outlets)} {_RASP})", "energy")],
        "of the rasp",
        bars=1,
    )


def _watts(selector: str) -> str:
    return f"pirack_power_watts{{{selector}}}"


def _watt_hours(selector: str) -> str:
    return f"increase(pirack_energy_joules_total{{{selector}}}[$__range]) / {_JOULES_PER_WATT_HOUR}"


def _row(
    watts: list[Query],
    watt_hours: list[Query],
    what: str,
    *,
    bars: int,
    stacked: bool = False,
    overrides: list[Json] | None = None,
) -> Row:
    power = time_series(
        f"Power {what}",
        "Power that was measured at the outlets.",
        FieldConfig("watt", decimals=1, min=0, color_mode="palette-classic"),
        watts,
        overrides=overrides or (),
        line_options=LineOptions(stacked=stacked),
    )
    energy = bar_gauge(
        f"Energy {what}",
        "Energy that was measured at the outlets in the time range of the dashboard.",
        FieldConfig(
            "watth",
            decimals=1,
            thresholds=states.thresholds(base_color=states.BLUE),
            min=0,
            no_value="not measured",
        ),
        watt_hours,
    )
    return max(_MIN_HEIGHT, bar_gauge_height(bars)), [(power, 16), (energy, 8)]
