"""Names and sizes of the pictures of the dashboards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.dashboard_pictures.queries import Dashboard, VariableSelection, selections_of

# With its docked menu, Grafana has 300 pixels less for a dashboard.
WIDTHS = {"1920": 1920, "1280": 1280, "docked": 980, "phone": 390}
THEMES = ("dark", "light")


@dataclass(frozen=True, slots=True)
class View:
    """Width of the dashboard in pixels, and the theme `light` or `dark`."""

    width: int
    theme: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a dashboard."""

    name: str
    selection: VariableSelection
    view: View


def pictures_of(
    dashboard: Dashboard, states: Sequence[tuple[Mapping[str, str], int]]
) -> Iterator[Picture]:
    """Yield the pictures of a dashboard: in each width and theme, and 1280 pixels of each state.

    Args:
        dashboard: The dashboard.
        states: The labels and the state of each rasp.
    """
    for index, selection in enumerate(selections_of(dashboard, states)):
        for name, width in WIDTHS.items():
            if index and name != "1280":
                continue
            for theme in THEMES:
                parts = (dashboard["uid"], selection.name, name, theme)
                yield Picture("-".join(filter(None, parts)), selection, View(width, theme))
