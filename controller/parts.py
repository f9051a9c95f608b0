"""The parts of a controller: what its application is made of."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from controller.access import Access
from controller.alerts.desk import AlertDesk
from controller.grafana import Grafana
from controller.installation.installation import Installation
from controller.orders.orders import Orders
from controller.records import Records
from controller.schemas import MasterAnswer
from controller.state import RackState

_NO_GRAFANA = Grafana()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the application is made of.

    Args:
        state: returns the rack's state, whenever somebody wants it.
        fresh_state: as `state`, and fresher, for the pages, which show changes as they come; None:
            the same.
        master: returns how the master is.
        registry: the metrics of the controller itself.
        access: knows who may do what.
        orders: takes what is ordered.
        installation: installs the rack.
        alerts: knows what fires, and takes what Alertmanager tells.
        records: what Prometheus knows of one rasp or stack.
        names: the host names, in lower case, by which the application answers.
        grafana: where the pages' links to dashboards lead.
    """

    state: Callable[[], RackState]
    fresh_state: Callable[[], RackState] | None = None
    master: Callable[[], MasterAnswer]
    registry: CollectorRegistry
    access: Access
    orders: Orders
    installation: Installation
    alerts: AlertDesk
    records: Records
    names: Collection[str] = ("localhost",)
    grafana: Grafana = _NO_GRAFANA
