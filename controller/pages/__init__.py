"""HTML pages: each module has the views of one subject.

All pages work without JavaScript. All changes are made by forms.
"""

from functools import partial
from typing import Any

from flask import Flask

from controller.auth.access_control import current_actor
from controller.dependencies import Dependencies
from controller.pages import (
    about,
    account,
    activity,
    alerts,
    experiments,
    find,
    formatting,
    install,
    login,
    master,
    orders,
    rack,
    rasp,
    rasps,
    replace,
    reservations,
    runbooks,
    stack,
)
from controller.pages.displayed_state import DisplayedStates
from controller.pages.marks import MarkReader
from controller.pages.navigation import MAIN_PAGES
from controller.pages.selection import requested_selection
from controller.pages.theme import current_theme


def register(app: Flask, dependencies: Dependencies) -> None:
    """Add the pages to an application."""
    formatting.register(app)
    app.jinja_env.globals["rack_name"] = dependencies.history.rack
    app.jinja_env.globals["main_pages"] = MAIN_PAGES
    app.jinja_env.globals["runbook_names"] = runbooks.runbook_names()
    app.jinja_env.globals["requested_selection"] = partial(requested_selection, dependencies.orders)
    state, history = dependencies.state, dependencies.history
    order_service = dependencies.orders
    firing = dependencies.alerts.firing
    displayed_states = DisplayedStates()
    dependencies.prepare_states(displayed_states.prepare)
    app.register_blueprint(
        rack.blueprint(
            state,
            displayed_states,
            dependencies.past.read,
            dependencies.past_alerts.read,
            dependencies.reservations,
            dependencies.lanes,
            MarkReader(dependencies.activity),
            dependencies.sparklines,
        )
    )
    app.register_blueprint(rasps.blueprint(state))
    app.register_blueprint(rasp.blueprint(state, history, order_service))
    app.register_blueprint(stack.blueprint(state, history, order_service))
    app.register_blueprint(master.blueprint(dependencies.master, dependencies.doctor.latest))
    app.register_blueprint(activity.blueprint(dependencies.activity, order_service.rack))
    app.register_blueprint(orders.blueprint(order_service, dependencies.access))
    app.register_blueprint(reservations.blueprint(dependencies.reservations, dependencies.access))
    app.register_blueprint(experiments.blueprint(dependencies.experiments, dependencies.access))
    app.register_blueprint(install.blueprint(state, dependencies.installation))
    app.register_blueprint(replace.blueprint(state, dependencies.installation))
    app.register_blueprint(alerts.blueprint(firing.current))
    app.register_blueprint(runbooks.blueprint())
    app.register_blueprint(find.blueprint(state, order_service))
    app.register_blueprint(about.blueprint())
    app.register_blueprint(login.blueprint(dependencies.access))
    app.register_blueprint(account.blueprint(dependencies.access))

    @app.context_processor
    def page_context() -> dict[str, Any]:
        # Controls are hidden from other roles here. `controller.auth` enforces the roles.
        actor = current_actor()
        return {
            "is_operator": actor.has_controls,
            "ended_orders": order_service.recently_ended if actor.has_controls else (),
            "actions": order_service.actions,
            "alert_list": firing.recent() if actor.role else None,
            "theme": current_theme(),
        }
