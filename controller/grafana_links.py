"""Links from the pages to the dashboards of Grafana.

The package `grafana` generates the dashboards. Their UIDs and variables are repeated here, so that
the controller does not depend on that package.
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from rack.layout import Rack, Slot, Stack


@dataclass(frozen=True, slots=True)
class GrafanaLinks:
    """Links to the Grafana at `url`, as browsers reach it. Without a URL, all links are empty."""

    url: str = ""

    def rack(self, rack: Rack) -> str:
        """Return the link to the dashboard of a rack."""
        return self._link("pirack-rack", rack=rack.name)

    def stack(self, rack: Rack, stack: Stack) -> str:
        """Return the link to the dashboard of a stack."""
        return self._link("pirack-stack", rack=rack.name, stack=stack.name)

    def rasp(self, rack: Rack, slot: Slot) -> str:
        """Return the link to the dashboard of a rasp."""
        stack = rack.stack(slot.stack)
        return self._link("pirack-rasp", rack=rack.name, stack=stack.name, rasp=slot.name)

    def pirack(self) -> str:
        """Return the link to the dashboard of PiRack's own services."""
        return self._link("pirack-self")

    def _link(self, uid: str, **variables: str) -> str:
        if not self.url:
            return ""
        query = urlencode({f"var-{name}": value for name, value in variables.items()})
        return f"{self.url.rstrip('/')}/d/{uid}" + (f"?{query}" if query else "")


def is_grafana_url(text: str) -> bool:
    """Return whether a text is an HTTP URL without a query."""
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and not parts.query
