"""Components that the application of the controller uses."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from controller.alerts.service import AlertService
from controller.auth.access_control import AccessControl
from controller.doctor.service import Doctor
from controller.experiments.service import ExperimentService
from controller.grafana_links import GrafanaLinks
from controller.installation.service import InstallService
from controller.master.info import MasterState
from controller.orders.service import OrderService
from controller.reservations.service import ReservationService
from controller.state.history import RaspHistory
from controller.state.model import RackState

_NO_GRAFANA = GrafanaLinks()


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """Components of the API and the pages.

    Attributes:
        state: Returns the state of the rack.
        fresh_state: Returns a newer state, for the pages. Default: `state`.
        master: Returns the state of the master.
        doctor: Checks the master.
        registry: Metrics of the controller.
        access: Users, tokens, sessions and audit log.
        orders: Order service.
        reservations: Reservation service.
        experiments: Experiment service.
        installation: Install service.
        alerts: Alert service.
        history: Alias values and history from Prometheus.
        allowed_hosts: Accepted host names, in lower case.
        grafana: Links to the dashboards.
    """

    state: Callable[[], RackState]
    fresh_state: Callable[[], RackState] | None = None
    master: Callable[[], MasterState]
    doctor: Doctor
    registry: CollectorRegistry
    access: AccessControl
    orders: OrderService
    reservations: ReservationService
    experiments: ExperimentService
    installation: InstallService
    alerts: AlertService
    history: RaspHistory
    allowed_hosts: Collection[str] = ("localhost",)
    grafana: GrafanaLinks = _NO_GRAFANA
