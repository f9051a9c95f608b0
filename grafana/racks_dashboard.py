"""*Racks*: which of the racks of a site needs somebody?"""

from grafana import links, states
from grafana.envelope import Place, dashboard, variables
from grafana.fields import Field, override
from grafana.grid import COLUMNS, in_rows
from grafana.panels import Curves, course, table
from grafana.queries import STATE, rows
from grafana.queries import course as over_time
from grafana.readable import Json

_TEMPERATURE = "pirack_cpu_temperature_celsius"
_FILLED: Json = {"type": "color-background", "mode": "basic"}


def racks_dashboard(place: Place) -> Json:
    """Return *Racks*."""
    return dashboard(
        links.RACKS,
        "Racks",
        "Which of the racks of a site needs somebody?",
        panels=in_rows(
            (9, [(_matrix(), COLUMNS)]),
            (9, [(_not_up(), 12), (_hottest(), 12)]),
        ),
        variables=variables(place),
        since="now-6h",
    )


def _matrix() -> Json:
    alerts = 'ALERTS{alertstate="firing",severity=~"critical|warning|info"}'
    weak = 'max by (rack, stack, slot) (pirack_power_condition{since="now"})'
    counted = {
        **{
            each.word.capitalize(): (f"sum by (rack) ({STATE} == bool {each.value})", each.colour)
            for each in (states.UP, states.WARM, states.HOT, states.DOWN, states.OFF)
        },
        "Throttled or under-voltage": (f"sum by (rack) ({weak})", states.HOT.colour),
        "Failing aliases": ("sum by (rack) (pirack_alias_success == bool 0)", states.WARM.colour),
        "Firing alerts": (
            f"count by (rack) ({alerts}) or 0 * count by (rack) ({STATE})",
            states.DOWN.colour,
        ),
    }
    hottest = f"max by (rack) ({_TEMPERATURE})"
    queries = [hottest, *(expression for expression, _ in counted.values())]
    names = [f"Value #{chr(ord('A') + index)}" for index in range(len(queries))]
    columns = {"rack": "Rack", **dict(zip(names, ["Hottest", *counted], strict=True))}
    filled: Json = {"custom__cellOptions": _FILLED, "custom__align": "center"}
    return table(
        "Racks",
        "A rack a row: its hottest rasp, its rasps by state, and what needs care. A click on a name"
        " opens the rack's dashboard.",
        Field("none", decimals=0),
        [rows(each) for each in queries],
        columns=columns,
        overrides=[
            override("Rack", links=links.of_racks("${__value.raw}")),
            override("Hottest", unit="celsius", thresholds=states.temperature_steps(), **filled),
            *(
                override(name, thresholds=states.steps((1, colour), base="transparent"), **filled)
                for name, (_, colour) in counted.items()
            ),
        ],
        by="rack",
    )


def _not_up() -> Json:
    return course(
        "Rasps that are down",
        "How many rasps of each rack do not answer although their stacks are on.",
        Field("none", decimals=0, least=0, colour="palette-classic-by-name"),
        [over_time(f"sum by (rack) ({STATE} == bool {states.DOWN.value})", "{{rack}}")],
        curves=Curves(table=True),
    )


def _hottest() -> Json:
    return course(
        "Hottest rasp of each rack",
        "Lines mark where WARM and HOT begin.",
        Field(
            "celsius",
            decimals=0,
            thresholds=states.temperature_steps(),
            colour="palette-classic-by-name",
        ),
        [over_time(f"max by (rack) ({_TEMPERATURE})", "{{rack}}")],
        curves=Curves(limits=True, table=True),
    )
