"""A loopback rack with fast boots, and the dependencies of an install on it."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.log_sources import LogFile
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.dhcpd.server import AutoReloadServer
from dhcp_installer.discovery.pingers import TcpPinger
from dhcp_installer.install import installer
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.installer import InstallRequest
from dhcp_installer.install.journal import InstallKind, InstallRecord, Journal
from dhcp_installer.install.progress import ProgressReport
from exporter.aliases import DEFAULT_PATH, load
from rack.database import Database
from rack.inventory import Inventory, Rasp
from rack.layout import GPIO
from rack.layout_file import parse
from rack.power.driver import AnyPowerDriver
from rack.power.drivers.gpio import GpioDriver
from rack.power.outlets import Outlets
from tests.helpers.layouts import Keys, layout_text
from tests.helpers.stack_relays import StackRelays
from tests.helpers.waiting import TIMEOUT_SECONDS, free_network_prefix, wait_until
from virtual_rack import control
from virtual_rack.faults import Fault
from virtual_rack.loopback import PING_PORT, LoopbackOptions, loopback_rack
from virtual_rack.pins import VirtualFactory
from virtual_rack.rasp import Phase

ALIASES = load(DEFAULT_PATH)
TICK_SECONDS = 0.03
CUT_SECONDS = 0.1
LONG_CUT_SECONDS = 60.0  # an install with this setting does not end before the test stops it
BOOT_TIMEOUT = REPLACE_TIMEOUT = 30.0  # for slow machines


class FixtureClock:
    """A monotonic clock that a test can advance."""

    def __init__(self) -> None:
        self._offset = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += seconds


class InstallFixture:
    """A running rack and the dependencies of an install on it."""

    def __init__(
        self,
        folder: Path,
        *,
        stacks: int | Sequence[Keys] = 2,
        cut_seconds: float = CUT_SECONDS,
        power_tables: str = "",
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        self.network = free_network_prefix()
        self.layout_path = folder / "rack.toml"
        text = layout_text(
            stacks,
            name="lab",
            network_prefix=self.network,
            extra_tables=power_tables,
            install={
                "timeout_seconds": BOOT_TIMEOUT,
                "cut_seconds": cut_seconds,
                "stagger_seconds": 0.01,
                "replace_seconds": REPLACE_TIMEOUT,
            },
        )
        self.layout_path.write_text(text)
        self.rack = parse(text)
        self.virtual = loopback_rack(
            self.rack, ALIASES, self.state, LoopbackOptions(self.network, boot_seconds=0.05)
        )
        self.database = Database(self.state / "pirack.db")
        self.inventory = Inventory(self.database)
        self.config_path = self.state / "dhcpd" / "dhcpd.conf"
        self.log_path = self.state / "dhcpd" / "dhcpd.log"
        self.reports: list[ProgressReport] = []
        self.synced: list[str] = []
        self.clock = FixtureClock()
        self._resources = ExitStack()
        # While this is not set, installs wait before they cut the power of rasps.
        self.allow_cuts = threading.Event()
        self.allow_cuts.set()

    @property
    def rasps(self) -> list[Rasp]:
        """Rasps that an install finds."""
        return self.virtual.inventory()

    @property
    def known_rasps(self) -> list[Rasp]:
        return list(self.inventory.rasps().values())

    @property
    def power(self) -> list[bool]:
        return [has_power for has_power, _ in self.virtual.stack_power().values()]

    @property
    def messages(self) -> list[str]:
        return [report.message for report in self.reports if report.message]

    @property
    def outlets(self) -> Outlets:
        """Outlets of a program that has just started."""
        outlets = Outlets(self.rack, self.database, drivers=self._drivers)
        self._resources.callback(outlets.close)
        return outlets

    @property
    def relays(self) -> StackRelays:
        """Relays of a program that has just started, for a rack with a relay for each stack."""
        return StackRelays(self.rack, self.database, factory=self._pin_factory)

    @property
    def _drivers(self) -> Mapping[str, AnyPowerDriver]:
        if self.rack.relays is None:
            return {}
        return {GPIO: GpioDriver(GPIO, self.rack.relays, factory=self._pin_factory)}

    def _pin_factory(self) -> VirtualFactory:
        return VirtualFactory(partial(control.handle, self.virtual))

    def close(self) -> None:
        """Close the rack and the connections to its power sources."""
        self._resources.close()
        self.virtual.close()

    def inject_fault(self, stack: int, slot: int, fault: Fault) -> None:
        self.virtual.inject_fault([self.rack.stack(stack).slots[slot - 1]], fault)

    def dependencies(self, **changes: Any) -> InstallDependencies:
        dependencies = InstallDependencies(
            self.rack,
            self.outlets,
            self.inventory,
            Journal(self.database),
            DhcpConfigFile(
                self.config_path, DhcpdRenderer(self.rack, self.config_path), AutoReloadServer()
            ),
            partial(LogFile, self.log_path),
            partial(TcpPinger, PING_PORT),
            log_start_timeout=TIMEOUT_SECONDS,
            sync=self._sync,
            clock=self.clock,
        )
        return replace(dependencies, **changes)

    def _sync(self, addresses: Collection[IPv4Address]) -> None:
        self.synced.extend(map(str, addresses))
        assert self.allow_cuts.wait(TIMEOUT_SECONDS)

    def run(
        self,
        dependencies: InstallDependencies | None = None,
        request: InstallRequest | None = None,
        *,
        on_progress: Callable[[ProgressReport], None] = lambda report: None,
        stop: threading.Event | None = None,
    ) -> InstallRecord:
        """Run an install and return its record."""
        dependencies = dependencies or self.dependencies()
        request = request or InstallRequest(InstallKind.INSTALL, "tester")

        def record_report(report: ProgressReport) -> None:
            self.reports.append(report)
            on_progress(report)

        install_id = installer.create(dependencies, request)
        stop = stop or threading.Event()
        return installer.run(dependencies, request, install_id, record_report, stop)


@contextmanager
def running_fixture(folder: Path, **options: Any) -> Iterator[InstallFixture]:
    """Yield a fixture with a rack that runs until the block ends."""
    lab = InstallFixture(folder, **options)
    closed = threading.Event()

    def tick() -> None:
        while not closed.wait(TICK_SECONDS):
            lab.virtual.advance()

    thread = threading.Thread(target=tick, name="lab")
    with control.serving(lab.virtual, lab.state):
        lab.virtual.power_on()
        thread.start()
        try:
            wait_until(lambda: {phase for phase, _ in lab.virtual.status().values()} == {Phase.UP})
            lab.virtual.advance()  # rasps that are up request their leases
            yield lab
        finally:
            closed.set()
            thread.join()
            lab.close()
