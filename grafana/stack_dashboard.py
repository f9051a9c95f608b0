"""*Stack*: how are the rasps that share a relay, and what happened to them?"""

from grafana import annotations, links, states
from grafana.envelope import Place, dashboard, variables
from grafana.fields import Field, override_matching
from grafana.grid import COLUMNS, in_rows
from grafana.panels import Curves, course, stat, timeline
from grafana.queries import IN_STACK, PLACE, STATE, Query
from grafana.queries import course as over_time
from grafana.readable import Json

_STATES = f"max by ({PLACE}) ({STATE}{{{IN_STACK}}})"
_OTHERS = "palette-classic-by-name"  # slots beyond those that have a colour of their own
_TEMPERATURES = f"max by ({PLACE}) (pirack_cpu_temperature_celsius{{{IN_STACK}}})"


def stack_dashboard(place: Place) -> Json:
    """Return *Stack*."""
    return dashboard(
        links.STACK,
        "Stack",
        "How are the rasps that share a relay, and what happened to them?",
        panels=in_rows(
            (5, [(_power(), 4), (_busy(), 4), (_rasps(), 12), (_hottest(), 4)]),
            (7, [(_states_over_time(), COLUMNS)]),
            (9, [(_temperature(), 8), (_cpu(), 8), (_memory(), 8)]),
        ),
        variables=variables(place, "rack", "stack"),
        annotations=annotations.of_stack(),
        page=("/stacks/${stack}", "Page of the stack"),
    )


def _power() -> Json:
    return stat(
        "Power",
        "The power that was commanded: what the relay was told, not what is seen.",
        Field("none", mappings=states.mapping(*states.STACK), nothing="unknown"),
        [Query(f"max by (rack, stack) (pirack_stack_power_state{{{IN_STACK}}})", "{{stack}}")],
    )


def _busy() -> Json:
    free = states.Shown(0, "free", states.UP.colour)
    busy = states.Shown(1, "busy", states.STACK[1].colour)
    return stat(
        "Orders",
        "Whether an order or an install holds the stack now: until it ends, no other one can.",
        Field("none", mappings=states.mapping(free, busy), nothing="unknown"),
        [Query(f"max by (rack, stack) (pirack_stack_busy{{{IN_STACK}}})", "{{stack}}")],
    )


def _rasps() -> Json:
    return stat(
        "Rasps",
        "The state of each rasp. A click leads to its dashboard and to its page.",
        Field(
            "none",
            mappings=states.mapping(*states.RASP),
            nothing="UNKNOWN",
            links=links.of_labelled_rasps(),
        ),
        [Query(_STATES, "{{rasp}}")],
        text="value_and_name",
    )


def _hottest() -> Json:
    return stat(
        "Hottest",
        "The highest temperature of a system on chip in this stack.",
        Field(
            "celsius",
            decimals=0,
            thresholds=states.temperature_steps(),
            links=links.of_labelled_rasps(),
            nothing="unknown",
        ),
        [Query(f"topk(1, {_TEMPERATURES})", "{{rasp}}")],
        text="value_and_name",
    )


def _states_over_time() -> Json:
    return timeline(
        "States over time",
        "What became of each rasp, and when.",
        Field("none", mappings=states.mapping(*states.RASP)),
        [over_time(_STATES, "{{rasp}}")],
    )


def _temperature() -> Json:
    return course(
        "Temperature",
        "Of each system on chip. Lines mark where WARM and HOT begin.",
        Field(
            "celsius",
            decimals=0,
            thresholds=states.temperature_steps(),
            colour=_OTHERS,
        ),
        [over_time(_TEMPERATURES, "{{rasp}}")],
        overrides=_slots(),
        curves=Curves(limits=True),
    )


def _cpu() -> Json:
    busy = f"rate(pirack_cpu_busy_seconds_total{{{IN_STACK}}}[$__rate_interval])"
    return course(
        "Busy cores",
        "How many cores of each rasp work: 1 is one core at full load.",
        Field("none", decimals=2, least=0, colour=_OTHERS),
        [over_time(f"sum by ({PLACE}) ({busy})", "{{rasp}}")],
        overrides=_slots(),
    )


def _memory() -> Json:
    available = f"pirack_memory_available_bytes{{{IN_STACK}}}"
    total = f"pirack_memory_total_bytes{{{IN_STACK}}}"
    return course(
        "Memory in use",
        "The part of each rasp's memory that programs can not get any more without swapping.",
        Field("percentunit", decimals=0, least=0, most=1, colour=_OTHERS),
        [over_time(f"1 - {available} / {total}", "{{rasp}}")],
        overrides=_slots(),
    )


def _slots() -> list[Json]:
    """Return a colour for each slot, the same one in every stack."""
    return [
        override_matching(f"/-{number}$/", color={"mode": "fixed", "fixedColor": colour})
        for number, colour in enumerate(states.SLOTS, start=1)
    ]
