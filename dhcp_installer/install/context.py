"""Dependencies and context of an install."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from ipaddress import IPv4Address

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.log_sources import LogSource
from dhcp_installer.discovery.event_stream import EventStream
from dhcp_installer.discovery.pingers import Pinger
from dhcp_installer.discovery.runner import DiscoveryRunner
from dhcp_installer.install.journal import Journal
from dhcp_installer.install.progress import ProgressReporter
from rack.inventory import Inventory, Rasp
from rack.layout import Outlet, Rack, Slot
from rack.power.outlets import Outlets


def _do_nothing(*_: object) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class InstallDependencies:
    """Components that an install reads and changes.

    The functions for Prometheus' targets and for host keys return messages for the progress log.

    Args:
        rack: The layout.
        outlets: Switch the power of the rasps.
        inventory: Stores the rasps found.
        journal: Stores the steps of installs.
        configuration: Configuration file of the DHCP server.
        open_log: Opens the log of the DHCP server at its current end.
        make_pinger: Creates a pinger.
        log_start_timeout: Seconds within which a restarted DHCP server must log a line.
        sync: Requests that the rasps at these addresses write cached data to their disks.
        update_prometheus_targets: Updates Prometheus' target files from the inventory.
        move_host_keys: Reassigns pinned SSH host keys from the old rasps to the new ones.
        pin_host_keys: Pins the SSH host keys of rasps that replied at their addresses.
        clock: Monotonic clock, in seconds.
    """

    rack: Rack
    outlets: Outlets
    inventory: Inventory
    journal: Journal
    configuration: DhcpConfigFile
    open_log: Callable[[], LogSource]
    make_pinger: Callable[[], Pinger]
    log_start_timeout: float = 60.0
    sync: Callable[[Collection[IPv4Address]], object] = _do_nothing
    update_prometheus_targets: Callable[[], Sequence[str]] = _do_nothing
    move_host_keys: Callable[[Collection[Rasp], Collection[Rasp]], Sequence[str]] = _do_nothing
    pin_host_keys: Callable[[Collection[Rasp]], Sequence[str]] = _do_nothing
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class InstallContext:
    """A running install.

    Args:
        dependencies: Components that the install reads and changes.
        install_id: Id in the journal.
        outlets: The outlets of the slots to install.
        progress: Reports the progress.
        events: DHCP and ping events of the rasps.
        runner: Switches outlets and waits for events.
    """

    dependencies: InstallDependencies
    install_id: int
    outlets: tuple[Outlet, ...]
    progress: ProgressReporter
    events: EventStream
    runner: DiscoveryRunner

    @property
    def rasp_counts(self) -> Mapping[Outlet, int]:
        """Number of slots that each outlet powers."""
        return {outlet: len(self._slots_of(outlet)) for outlet in self.outlets}

    @property
    def slots(self) -> Set[tuple[int, int]]:
        """Stack number and slot number of each slot to install."""
        return {
            (slot.stack, slot.number) for outlet in self.outlets for slot in self._slots_of(outlet)
        }

    @property
    def stacks(self) -> Set[int]:
        """Numbers of the stacks with slots to install."""
        return {outlet.stack for outlet in self.outlets}

    def _slots_of(self, outlet: Outlet) -> tuple[Slot, ...]:
        return self.dependencies.rack.stack(outlet.stack).slots_of(outlet)
