"""Where the dashboards about something are, for the links on the pages.

The package `grafana` makes the dashboards; their uids and variables are told again here, because
the controller needs nothing else of it.
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from rack.layout import Rack, Slot, Stack


@dataclass(frozen=True, slots=True)
class GrafanaLinks:
    """A Grafana by the URL at which browsers reach it; empty where there is none.

    Where there is none there are no links: each of them is then empty.
    """

    url: str = ""

    def rack(self, rack: Rack) -> str:
        """Return the link to the dashboard *Rack*."""
        return self._link("pirack-rack", rack=rack.name)

    def stack(self, rack: Rack, stack: Stack) -> str:
        """Return the link to a stack's dashboard."""
        return self._link("pirack-stack", rack=rack.name, stack=stack.name)

    def rasp(self, rack: Rack, slot: Slot) -> str:
        """Return the link to a rasp's dashboard."""
        stack = rack.stack(slot.stack)
        return self._link("pirack-rasp", rack=rack.name, stack=stack.name, rasp=slot.name)

    def pirack(self) -> str:
        """Return the link to the dashboard *PiRack itself*, of the rack that it is first set to."""
        return self._link("pirack-self")

    def _link(self, uid: str, **variables: str) -> str:
        if not self.url:
            return ""
        chosen = urlencode({f"var-{name}": value for name, value in variables.items()})
        return f"{self.url.rstrip('/')}/d/{uid}" + (f"?{chosen}" if chosen else "")


def is_grafana_url(text: str) -> bool:
    """Tell whether a text can be the URL of a Grafana, with a path before its own or without."""
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and not parts.query
