"""Read the rack's state from Prometheus and the inventory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter

from controller.state.build import build_rack_state, state_query
from controller.state.model import RackState, RaspOperation
from controller.state.prometheus import Prometheus, PrometheusUnavailableError, Sample
from rack.clock import seconds_since_boot
from rack.inventory import Inventory, Rasp
from rack.layout import Outlet, Rack
from rack.power.commanded_power import CommandedPower
from rack.power.state import OutletReading


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was read of a rack from other programs, its outlets and its inventory.

    Attributes:
        rasps: Inventory, keyed by (stack, slot).
        samples: Result of `state_query`. Empty if the query failed.
        error: Error of the query.
        readings: Readings of the outlets that were read.
        energy: Measured energy of outlets in joules.
    """

    rasps: Mapping[tuple[int, int], Rasp]
    samples: Sequence[Sample]
    error: str
    readings: Mapping[Outlet, OutletReading]
    energy: Mapping[Outlet, float]


@dataclass(frozen=True, slots=True)
class Commands:
    """What the controller itself knows of a rack, without asking anything.

    Attributes:
        commanded: Known commanded power.
        reserved_by: Holders of reservations, keyed by stack number.
        operations: What orders and installs are doing with rasps, keyed by id.
    """

    commanded: Mapping[Outlet, CommandedPower]
    reserved_by: Mapping[int, str]
    operations: Mapping[int, RaspOperation]


class RackStateReader:
    """Reader of the rack's state. Each measurement sends one query to Prometheus.

    Args:
        rack: Layout of the rack.
        inventory: Installed rasps.
        prometheus: Client of the Prometheus that scrapes the rack.
        registry: Registry for the query counter.
        commanded: Returns the known commanded power.
        readings: Returns the readings of the outlets that were read.
        energy: Returns the measured energy of outlets in joules.
        reserved_by: Returns the holders of reservations, keyed by stack number.
        operations: Returns what orders and installs are doing with rasps, keyed by id.
        clock: Returns seconds since the boot of the master, as for `CommandedPower.since`.
    """

    def __init__(  # noqa: PLR0913 - the sources of the state
        self,
        rack: Rack,
        inventory: Inventory,
        prometheus: Prometheus,
        registry: CollectorRegistry,
        *,
        commanded: Callable[[], Mapping[Outlet, CommandedPower]] = dict,
        readings: Callable[[], Mapping[Outlet, OutletReading]] = dict,
        energy: Callable[[], Mapping[Outlet, float]] = dict,
        reserved_by: Callable[[], Mapping[int, str]] = dict,
        operations: Callable[[], Mapping[int, RaspOperation]] = dict,
        clock: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._rack = rack
        self._inventory = inventory
        self._prometheus = prometheus
        self._commanded = commanded
        self._readings = readings
        self._energy = energy
        self._reserved_by = reserved_by
        self._operations = operations
        self._clock = clock
        self._state_query = state_query(rack)
        self._queries = Counter(
            "pirack_controller_prometheus_queries",
            "Queries of the controller to Prometheus, by result (ok, failed).",
            ["result"],
            registry=registry,
        )
        for result in ("ok", "failed"):
            self._queries.labels(result)

    def read(self) -> RackState:
        """Return the current state of the rack.

        If Prometheus is unavailable, all states are unknown and `error` is the reason.

        Raises:
            DatabaseError: If the inventory cannot be read.
        """
        return self.build(self.measure(), self.commands())

    def measure(self) -> Measurements:
        """Send the query to Prometheus, and read the inventory and the outlets.

        Raises:
            DatabaseError: If the inventory cannot be read.
        """
        rasps = self._inventory.rasps()
        samples: Sequence[Sample] = ()
        error_text = ""
        try:
            samples = self._prometheus.query(self._state_query)
        except PrometheusUnavailableError as error:
            error_text = str(error)
        self._queries.labels("failed" if error_text else "ok").inc()
        return Measurements(rasps, samples, error_text, self._readings(), self._energy())

    def commands(self) -> Commands:
        """Return what the controller has commanded, and what it is doing."""
        return Commands(self._commanded(), self._reserved_by(), self._operations())

    def build(self, measurements: Measurements, commands: Commands) -> RackState:
        """Return the state of the rack."""
        return build_rack_state(
            self._rack,
            measurements.rasps,
            measurements.samples,
            measurements.error,
            commanded=commands.commanded,
            readings=measurements.readings,
            energy=measurements.energy,
            reserved_by=commands.reserved_by,
            operations=commands.operations,
            now=self._clock(),
        )
