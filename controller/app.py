"""The Flask application of the controller."""

from flask import Flask, Response
from jinja2 import BytecodeCache

from controller import __version__, health, pages
from controller.activity import api as activity_api
from controller.alerts import api as alerts_api
from controller.dependencies import Dependencies
from controller.doctor import api as doctor_api
from controller.experiments import api as experiments_api
from controller.installation import api as installation_api
from controller.orders import api as orders_api
from controller.orders import edges_api
from controller.reservations import api as reservations_api
from controller.web import allowed_hosts, api, converters, problems
from controller.web.openapi import OpenApiDocument
from controller.web.url_rules import LazyRule

_CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",  # Bootstrap's style sheet contains images
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
_MANIFEST = "manifest.webmanifest"
_MAX_BODY_BYTES = 64 * 1024


def create_app(dependencies: Dependencies, template_cache: BytecodeCache | None = None) -> Flask:
    """Return the application.

    Applications that share a template cache compile each template once.
    """
    app = Flask(__name__)
    app.url_rule_class = LazyRule
    # The addresses in the manifest are relative to the root of the pages.
    app.add_url_rule(
        f"/{_MANIFEST}",
        endpoint="static",
        view_func=app.view_functions["static"],
        defaults={"filename": _MANIFEST},
    )
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY_BYTES
    app.jinja_options = {
        "trim_blocks": True,
        "lstrip_blocks": True,
        "bytecode_cache": template_cache,
    }
    app.jinja_env.globals["version"] = __version__
    app.jinja_env.globals["grafana"] = dependencies.grafana
    converters.register(app)
    access, document = dependencies.access, OpenApiDocument()
    app.register_blueprint(
        api.blueprint(
            document,
            dependencies.state,
            dependencies.state_at,
            dependencies.alerts.firing.recent,
            dependencies.past_alerts.read,
            dependencies.master,
            access.audit,
        )
    )
    app.register_blueprint(doctor_api.blueprint(document, dependencies.doctor.report))
    app.register_blueprint(orders_api.blueprint(document, dependencies.orders, access))
    app.register_blueprint(edges_api.blueprint(document, dependencies.orders))
    app.register_blueprint(reservations_api.blueprint(document, dependencies.reservations, access))
    app.register_blueprint(experiments_api.blueprint(document, dependencies.experiments, access))
    app.register_blueprint(installation_api.blueprint(document, dependencies.installation))
    app.register_blueprint(
        alerts_api.blueprint(document, dependencies.alerts, dependencies.past_alerts.read)
    )
    app.register_blueprint(
        activity_api.blueprint(document, dependencies.activity, dependencies.orders.rack)
    )
    app.register_blueprint(health.blueprint(dependencies.registry))
    pages.register(app, dependencies)
    problems.register(app)
    allowed_hosts.register(app, dependencies.allowed_hosts)
    access.register(app)

    @app.after_request
    def set_security_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    return app
