"""Components that the application of the controller uses."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

from prometheus_client import CollectorRegistry

from controller.activity.reader import Activity
from controller.alerts.past import PastAlerts
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
from controller.state.lanes import LaneReader
from controller.state.latest import Prepare
from controller.state.model import RackState
from controller.state.past import PastReader
from controller.state.sparklines import SparklineReader

_NO_GRAFANA = GrafanaLinks()


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """Components of the API and the pages.

    Attributes:
        state: Returns the state of the rack.
        prepare_states: Registers a function that prepares states. See `LatestState.prepare_with`.
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
    prepare_states: Callable[[Prepare], None] = lambda _: None
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

    @cached_property
    def past(self) -> PastReader:
        """Reader of the rack's state at earlier times."""
        return PastReader(self.orders.rack, self.history.prometheus, self.installation.inventory_at)

    def state_at(self, moment: float | None) -> RackState:
        """Return the state of the rack at a time since the epoch, or now. See `PastReader.read`."""
        return self.state() if moment is None else self.past.read(moment)

    @cached_property
    def past_alerts(self) -> PastAlerts:
        """Reader of the alerts at earlier times."""
        return PastAlerts(self.orders.rack, self.history.prometheus)

    @cached_property
    def lanes(self) -> LaneReader:
        """Reader of the lanes of the stacks."""
        return LaneReader(self.orders.rack, self.history.prometheus)

    @cached_property
    def sparklines(self) -> SparklineReader:
        """Reader of the sparklines of the rasps."""
        return SparklineReader(self.orders.rack, self.history.prometheus)

    @cached_property
    def activity(self) -> Activity:
        """Reader of everything that happened."""
        return Activity(
            self.orders, self.experiments, self.installation, self.access.audit, self.history
        )
