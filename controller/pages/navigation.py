"""Pages that have a name and no parameters, for the navigation and for *Find or do*."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from controller.auth.access_control import Actor


@dataclass(frozen=True, slots=True)
class NamedPage:
    """A page, its name, and who sees it.

    Args:
        endpoint: Endpoint of the view.
        label: Name of the page.
        audience: `operators` have controls. `users` are those who can log in.
        arguments: Arguments of the address.
    """

    endpoint: str
    label: str
    audience: Literal["all", "users", "operators"] = "all"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def blueprint(self) -> str:
        """Name of the blueprint of the view."""
        return self.endpoint.partition(".")[0]

    def is_visible_to(self, actor: Actor) -> bool:
        """Return whether an actor sees links to this page."""
        if self.audience == "operators":
            return actor.has_controls
        return self.audience == "all" or not actor.is_anonymous


MAIN_PAGES: Sequence[NamedPage] = (
    NamedPage("rack.show", "Rack"),
    NamedPage("rasps.index", "Rasps"),
    NamedPage("activity_pages.show", "Activity"),
    NamedPage("reservation_pages.index", "Reservations"),
    NamedPage("experiment_pages.index", "Experiments", "operators"),
    NamedPage("alert_pages.show", "Alerts"),
    NamedPage("install.index", "Install", "operators"),
    NamedPage("master.show", "Master"),
)
"""Pages of the navigation in the header."""

OTHER_PAGES: Sequence[NamedPage] = (
    NamedPage("order_pages.index", "Orders", "operators"),
    NamedPage("order_pages.index", "Audit log", "operators", {"view": "audit"}),
    NamedPage("account.show", "Your account", "users"),
    NamedPage("about.show", "About"),
    NamedPage("about.api_docs", "API"),
)
"""Pages to which other pages link."""


def visible_pages(actor: Actor) -> list[NamedPage]:
    """Return all pages that an actor sees."""
    return [page for page in (*MAIN_PAGES, *OTHER_PAGES) if page.is_visible_to(actor)]
