"""The pages for people: one module a subject, with its template of the same name.

All of them can be read without a script, and what changes something is a form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask

from controller.access import Access, actor
from controller.alerts.alerts import Firing
from controller.installation.installation import Installation
from controller.orders.orders import Orders
from controller.pages import (
    about,
    alerts,
    install,
    manage,
    master,
    orders,
    rack,
    rasp,
    replace,
    stack,
    words,
)
from controller.records import Records
from controller.roles import Role
from controller.schemas import MasterAnswer
from controller.state import RackState


@dataclass(frozen=True, slots=True)
class Sources:
    """What the pages show; each is asked at each request.

    Args:
        state: the rack's state.
        master: how the master is.
        records: what Prometheus knows of one rasp or stack.
        orders: what was ordered, and who takes new orders.
        installation: what was installed, and who begins to.
        alerts: what fires.
        access: knows who may do what, and what was done.
    """

    state: Callable[[], RackState]
    master: Callable[[], MasterAnswer]
    records: Records
    orders: Orders
    installation: Installation
    alerts: Callable[[], Firing]
    access: Access


def register(app: Flask, sources: Sources) -> None:
    """Add the pages to an app."""
    words.register(app)
    app.jinja_env.globals["rack_name"] = sources.records.rack
    app.register_blueprint(rack.blueprint(sources.state))
    app.register_blueprint(manage.blueprint(sources.state))
    app.register_blueprint(rasp.blueprint(sources.state, sources.records, sources.orders))
    app.register_blueprint(stack.blueprint(sources.state, sources.records, sources.orders))
    app.register_blueprint(master.blueprint(sources.master))
    app.register_blueprint(orders.blueprint(sources.state, sources.orders, sources.access))
    app.register_blueprint(install.blueprint(sources.state, sources.installation))
    app.register_blueprint(replace.blueprint(sources.state, sources.installation))
    app.register_blueprint(alerts.blueprint(sources.alerts))
    app.register_blueprint(about.blueprint())

    @app.context_processor
    def for_operators() -> dict[str, Any]:
        # What somebody may not do is not offered. (And it is refused: see `controller.access`.)
        who = actor()
        is_operator = bool(who.session) and who.role is not None and who.role.covers(Role.OPERATOR)
        return {"is_operator": is_operator, "actions": sources.orders.actions}
