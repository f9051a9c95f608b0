"""How the values of a panel are shown: unit, colours, words and links, and exceptions for some."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana import states
from grafana.readable import Json


@dataclass(frozen=True, slots=True)
class Field:
    """How the values of a panel are shown.

    `unit` is one of Grafana's; `links` open from each value; `nothing` is said where there is none.
    """

    unit: str
    decimals: int | None = None
    thresholds: Json | None = None
    mappings: Sequence[Json] = ()
    links: Sequence[Json] = ()
    least: float | None = None
    most: float | None = None
    nothing: str = ""
    colour: str = "thresholds"

    def defaults(self, custom: Json | None = None) -> Json:
        """Return the defaults of a panel's fields."""
        chosen: Json = {
            "unit": self.unit,
            "color": {"mode": self.colour},
            "thresholds": self.thresholds or states.steps(),
            "mappings": list(self.mappings),
        }
        optional = {"decimals": self.decimals, "min": self.least, "max": self.most}
        chosen |= {name: value for name, value in optional.items() if value is not None}
        if self.nothing:
            chosen["noValue"] = self.nothing
        if self.links:
            chosen["links"] = list(self.links)
        if custom:
            chosen["custom"] = custom
        return chosen


def override(field: str, **properties: object) -> Json:
    """Return what differs for the field of one name; `__` in a property's name is a dot."""
    return _override({"id": "byName", "options": field}, properties)


def override_query(ref_id: str, **properties: object) -> Json:
    """Return what differs for the series of one query."""
    return _override({"id": "byFrameRefID", "options": ref_id}, properties)


def _override(matcher: Json, properties: dict[str, object]) -> Json:
    return {
        "matcher": matcher,
        "properties": [
            {"id": name.replace("__", "."), "value": value} for name, value in properties.items()
        ],
    }


def override_matching(pattern: str, **properties: object) -> Json:
    """Return what differs for the fields whose names a pattern matches, as `/-1$/`."""
    return _override({"id": "byRegexp", "options": pattern}, properties)


def painted(name: str, colour: str) -> Json:
    """Return the override that gives the series of one name a colour of its own."""
    return override(name, color={"mode": "fixed", "fixedColor": colour})
