"""Health check and metrics of the controller."""

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from controller import __version__
from controller.auth.access_control import allow_from_master
from rack.inventory import Inventory
from rack.layout import Rack


def register_metrics(registry: CollectorRegistry, rack: Rack, inventory: Inventory) -> None:
    """Add metrics of the version, the process, the slots and the inventory."""
    ProcessCollector(registry=registry)
    info = Info("pirack_controller", "Version of the controller.", registry=registry)
    info.info({"version": __version__})
    slots = Gauge("pirack_rack_slots", "Slots of the rack in rack.toml.", registry=registry)
    slots.set(len(rack.slots))
    rasps = Gauge("pirack_installed_rasps", "Rasps in the inventory.", registry=registry)
    rasps.set_function(lambda: len(inventory.rasps()))


def blueprint(registry: CollectorRegistry) -> Blueprint:
    """Return the routes `/healthz` and `/metrics`."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    @allow_from_master
    def healthz() -> Response:
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    @health.get("/metrics")
    @allow_from_master
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return health
