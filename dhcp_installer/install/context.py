"""Dependencies and context of an install."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
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
from rack.layout import Rack, Stack
from rack.relays import Relays


def _do_nothing(*_: object) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class InstallDependencies:
    """Components that an install reads and changes.

    The functions for Prometheus' targets and for host keys return messages for the progress log.

    Args:
        rack: The layout.
        relays: Switch the stacks.
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
    relays: Relays
    inventory: Inventory
    journal: Journal
    configuration: DhcpConfigFile
    open_log: Callable[[], LogSource]
    make_pinger: Callable[[], Pinger]
    log_start_timeout: float = 15.0
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
        stacks: The stacks to install.
        progress: Reports the progress.
        events: DHCP and ping events of the rasps.
        runner: Switches stacks and waits for events.
    """

    dependencies: InstallDependencies
    install_id: int
    stacks: tuple[Stack, ...]
    progress: ProgressReporter
    events: EventStream
    runner: DiscoveryRunner

    @property
    def slot_counts(self) -> Mapping[int, int]:
        """Number of slots in each stack."""
        return {stack.number: len(stack.slots) for stack in self.stacks}
