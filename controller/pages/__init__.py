"""The pages for people: one module a subject, with its template of the same name.

All of them can be read without a script, and what changes something is a form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask

from controller.alerts.firing import AlertList
from controller.auth.access_control import AccessControl, current_actor
from controller.auth.roles import Role
from controller.installation.service import InstallService
from controller.orders.service import OrderService
from controller.pages import (
    about,
    alerts,
    formatting,
    install,
    manage,
    master,
    orders,
    rack,
    rasp,
    replace,
    stack,
)
from controller.state.history import RaspHistory
from controller.state.model import RackState
from controller.web.schemas import MasterResponse


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
    master: Callable[[], MasterResponse]
    records: RaspHistory
    orders: OrderService
    installation: InstallService
    alerts: Callable[[], AlertList]
    access: AccessControl


def register(app: Flask, sources: Sources) -> None:
    """Add the pages to an app."""
    formatting.register(app)
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
        # What somebody may not do is not offered. (And it is refused: see `controller.auth.access_control`.)
        who = current_actor()
        is_operator = (
            bool(who.session) and who.role is not None and who.role.includes(Role.OPERATOR)
        )
        return {"is_operator": is_operator, "actions": sources.orders.actions}
