"""How the values of a panel are shown: unit, colours, words and links, and exceptions for some."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana import states
from grafana.json_format import Json


@dataclass(frozen=True, slots=True)
class FieldConfig:
    """How the values of a panel are shown.

    `unit` is one of Grafana's; `links` open from each value; `no_value` is said where there is none.
    """

    unit: str
    decimals: int | None = None
    thresholds: Json | None = None
    mappings: Sequence[Json] = ()
    links: Sequence[Json] = ()
    min: float | None = None
    max: float | None = None
    no_value: str = ""
    color_mode: str = "thresholds"

    def defaults(self, custom: Json | None = None) -> Json:
        """Return the defaults of a panel's fields."""
        chosen: Json = {
            "unit": self.unit,
            "color": {"mode": self.color_mode},
            "thresholds": self.thresholds or states.thresholds(),
            "mappings": list(self.mappings),
        }
        optional = {"decimals": self.decimals, "min": self.min, "max": self.max}
        chosen |= {name: value for name, value in optional.items() if value is not None}
        if self.no_value:
            chosen["noValue"] = self.no_value
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


def override_color(name: str, color: str) -> Json:
    """Return the override that gives the series of one name a colour of its own."""
    return override(name, color={"mode": "fixed", "fixedColor": color})
