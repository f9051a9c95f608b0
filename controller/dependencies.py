"""The parts of a controller: what its application is made of."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from controller.alerts.service import AlertService
from controller.auth.access_control import AccessControl
from controller.installation.service import InstallService
from controller.orders.service import OrderService
from controller.pages.grafana_links import GrafanaLinks
from controller.state.history import RaspHistory
from controller.state.model import RackState
from controller.web.schemas import MasterResponse

_NO_GRAFANA = GrafanaLinks()


@dataclass(frozen=True, kw_only=True)
class Dependencies:
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
        history: what Prometheus knows of one rasp or stack.
        allowed_hosts: the host names, in lower case, by which the application answers.
        grafana: where the pages' links to dashboards lead.
    """

    state: Callable[[], RackState]
    fresh_state: Callable[[], RackState] | None = None
    master: Callable[[], MasterResponse]
    registry: CollectorRegistry
    access: AccessControl
    orders: OrderService
    installation: InstallService
    alerts: AlertService
    history: RaspHistory
    allowed_hosts: Collection[str] = ("localhost",)
    grafana: GrafanaLinks = _NO_GRAFANA
