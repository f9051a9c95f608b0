"""Devices of the power sources in rack.toml, which switch the outlets of a virtual rack."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from rack.errors import PiRackError
from rack.layout import Outlet, Rack
from virtual_rack.faults import Fault, UnsupportedFaultError
from virtual_rack.outlets.device import OutletServer
from virtual_rack.outlets.source_devices import DeviceBuilder

_CONTACT_SECONDS = 0.01  # from the change of an outlet to its effect


class PowerSourceError(PiRackError):
    """A virtual device cannot be started."""


class PowerSources:
    """The devices of a rack's power sources. Thread-safe.

    A device is a real server at the address that rack.toml contains, and requires the credentials
    to which rack.toml refers. The program of a source with the driver `command` is `outlet` in the
    folder of the source. Outlets of other drivers are always on.

    Args:
        rack: Layout of the rack.
        folder: Folder for the files of the devices, with a folder for each power source.
        on_switch: Function that receives an outlet and its new power.
        watts: Function that returns the power consumption behind an outlet.
        update_power: Function that is called soon after outlets were switched, and may take time.
    """

    def __init__(
        self,
        rack: Rack,
        folder: Path,
        *,
        on_switch: Callable[[Outlet, bool], None],
        watts: Callable[[Outlet], float],
        update_power: Callable[[], None],
    ) -> None:
        self._on_switch = on_switch
        self._update_power = update_power
        self._switched: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        builder = DeviceBuilder(folder, self._switch, watts)
        self._devices = [
            device
            for source in rack.power_sources.values()
            for device in builder.make_devices(source, rack.outlets_of(source.name))
        ]
        self._places = {
            outlet: (device.server, address)
            for device in self._devices
            for address, outlet in device.outlets.items()
        }

    def start(self) -> None:
        """Start the servers.

        Raises:
            PowerSourceError: If an address or port cannot be used.
            PiRackError: If credentials cannot be read.
            ProgramError: If a required program is not available.
        """
        if not self._devices or self._thread is not None:
            return
        self._thread = threading.Thread(target=self._follow, name="outlets", daemon=True)
        self._thread.start()
        for device in self._devices:
            device.load_credentials()
            try:
                device.server.start()
            except OSError as error:
                raise PowerSourceError(
                    f"cannot listen at {device.server.host}, port {device.server.port}"
                    f" ({error.strerror or error}): in the rack.toml of a virtual rack, use"
                    " an address of loopback or of the rack's network, and a port above 1023"
                ) from error

    def close(self) -> None:
        """Stop the servers."""
        if self._thread is None:
            return
        for device in self._devices:
            device.server.close()
        self._switched.put(False)
        self._thread.join()
        self._thread = None

    def inject_fault(self, outlets: Collection[Outlet], fault: Fault) -> None:
        """Inject a fault into outlets.

        Raises:
            UnsupportedFaultError: If an outlet has no virtual device. Then no fault is injected.
        """
        for outlet in outlets:
            if outlet not in self._places:
                raise UnsupportedFaultError(
                    f"{fault}: the outlet {outlet.label} has no virtual device: use stuck-relay"
                )
        for server, addresses in self._by_server(outlets):
            server.inject_fault(fault, addresses)

    def clear_fault(self, outlets: Collection[Outlet], fault: Fault | None = None) -> None:
        """Clear one fault, or by default all faults, of outlets and their devices."""
        for server, addresses in self._by_server(outlets):
            server.clear_fault(fault, addresses)

    def faults_of(self, outlet: Outlet) -> frozenset[Fault]:
        """Return the faults of an outlet and its device."""
        if outlet not in self._places:
            return frozenset()
        server, address = self._places[outlet]
        return server.faults_of(address)

    def _by_server(
        self, outlets: Collection[Outlet]
    ) -> Collection[tuple[OutletServer, Sequence[str]]]:
        """Return the servers of these outlets, with the addresses of the outlets."""
        addresses: defaultdict[OutletServer, list[str]] = defaultdict(list)
        for outlet in outlets:
            if outlet in self._places:
                server, address = self._places[outlet]
                addresses[server].append(address)
        return addresses.items()

    def _follow(self) -> None:
        while self._switched.get():
            time.sleep(_CONTACT_SECONDS)
            self._update_power()

    def _switch(self, outlet: Outlet, power: bool) -> None:
        self._on_switch(outlet, power)
        self._switched.put(True)
