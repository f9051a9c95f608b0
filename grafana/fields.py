"""Field options of a panel, and overrides for single fields."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana import states
from grafana.json_format import Json


@dataclass(frozen=True, slots=True)
class FieldConfig:
    """Field options of a panel.

    `unit` is a unit of Grafana. `no_value` is the text that is displayed for a missing value. In a
    table, it is also displayed in each empty cell whose column has no text of its own.
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
        """Return the `defaults` of `fieldConfig`."""
        options: Json = {
            "unit": self.unit,
            "color": {"mode": self.color_mode},
            "thresholds": self.thresholds or states.thresholds(),
            "mappings": list(self.mappings),
        }
        optional = {"decimals": self.decimals, "min": self.min, "max": self.max}
        options |= {name: value for name, value in optional.items() if value is not None}
        if self.no_value:
            options["noValue"] = self.no_value
        if self.links:
            options["links"] = list(self.links)
        if custom:
            options["custom"] = custom
        return options


def override(field: str, **properties: object) -> Json:
    """Return an override for a field name. In property names, `__` is replaced with a dot."""
    return _override({"id": "byName", "options": field}, properties)


def override_query(ref_id: str, **properties: object) -> Json:
    """Return an override for all series of a query."""
    return _override({"id": "byFrameRefID", "options": ref_id}, properties)


def _override(matcher: Json, properties: dict[str, object]) -> Json:
    return {
        "matcher": matcher,
        "properties": [
            {"id": name.replace("__", "."), "value": value} for name, value in properties.items()
        ],
    }


def override_matching(pattern: str, **properties: object) -> Json:
    """Return an override for field names that match a pattern such as `/-1$/`."""
    return _override({"id": "byRegexp", "options": pattern}, properties)


def override_color(name: str, color: str) -> Json:
    """Return an override with a fixed color for a series name."""
    return override(name, color={"mode": "fixed", "fixedColor": color})
