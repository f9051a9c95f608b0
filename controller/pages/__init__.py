"""The pages for people: one module a subject, with its template of the same name.

All of them can be read without a script. They only look: what changes something is a form.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from controller.pages import about, manage, master, rack, rasp, stack, words
from controller.records import Records
from controller.schemas import MasterAnswer
from controller.state import RackState


@dataclass(frozen=True, slots=True)
class Sources:
    """What the pages show; each is asked at each request.

    Args:
        state: the rack's state.
        master: how the master is.
        records: what Prometheus knows of one rasp or stack.
    """

    state: Callable[[], RackState]
    master: Callable[[], MasterAnswer]
    records: Records


def register(app: Flask, sources: Sources) -> None:
    """Add the pages to an app."""
    words.register(app)
    app.register_blueprint(rack.blueprint(sources.state))
    app.register_blueprint(manage.blueprint(sources.state))
    app.register_blueprint(rasp.blueprint(sources.state, sources.records))
    app.register_blueprint(stack.blueprint(sources.state, sources.records))
    app.register_blueprint(master.blueprint(sources.master))
    app.register_blueprint(about.blueprint())
