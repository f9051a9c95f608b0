"""Outlets of one virtual device, and the faults that all kinds of devices have."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Self

from virtual_rack.faults import Fault

OUTLET_FAULTS = frozenset(
    {
        Fault.OUTLET_SLOW,
        Fault.OUTLET_REFUSES,
        Fault.OUTLET_LIES,
        Fault.OUTLET_AWAY,
        Fault.OUTLET_RESTARTS,
        Fault.OUTLET_CREDENTIALS,
    }
)
"""Faults of outlets. Relays on the master's pins have none of them."""

FAULTS_OF_ONE_OUTLET = frozenset({Fault.OUTLET_REFUSES, Fault.OUTLET_LIES})
"""Faults of single outlets. All others affect the whole device."""

SLOW_SECONDS = 3.0
"""Delay of each reply of a device with the fault `outlet-slow`."""

RESTART_SECONDS = 5.0
"""Time for which a device does not reply after the fault `outlet-restarts`."""

_EXAMPLE_WATTS = 3.0


class OutletRefusedError(Exception):
    """An outlet refuses to switch."""


class DeviceOutlets:
    """Power of the outlets of one device. Thread-safe. At first, all outlets are on.

    Args:
        addresses: Addresses of the outlets.
        on_switch: Function that receives the address and the new power of a switched outlet.
        watts: Function that returns the power consumption that the device measures at an outlet. By
            default, it is constant while the outlet is on.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        on_switch: Callable[[str, bool], None],
        watts: Callable[[str], float] | None,
    ) -> None:
        self.addresses = tuple(addresses)
        self._on_switch = on_switch
        self._watts = watts
        self._switch_lock = threading.Lock()
        self._fault_lock = threading.Lock()
        self._is_on = dict.fromkeys(addresses, True)
        self._switch_counts = dict.fromkeys(addresses, 0)
        self._faults: dict[str, set[Fault]] = {address: set() for address in addresses}

    def is_on(self, address: str) -> bool:
        """Return whether an outlet is on, as the device reports."""
        return self._is_on[address]

    def watts(self, address: str) -> float:
        """Return the power consumption that the device measures at an outlet."""
        if self._watts is not None:
            return self._watts(address)
        return _EXAMPLE_WATTS if self._is_on[address] else 0.0

    def switch_count(self, address: str) -> int:
        """Return how often an outlet was switched. A command without effect does not count."""
        return self._switch_counts[address]

    def set(self, address: str, *, power: bool) -> None:
        """Switch an outlet by hand, at the device. Faults have no effect."""
        with self._switch_lock:
            if self._is_on[address] == power:
                return
            self._is_on[address] = power
            self._switch_counts[address] += 1
            self._on_switch(address, power)

    def switch(self, address: str, *, power: bool) -> None:
        """Switch an outlet as a client of the device requests.

        Raises:
            OutletRefusedError: If the outlet has the fault `outlet-refuses`.
        """
        faults = self.faults_of(address)
        if Fault.OUTLET_REFUSES in faults:
            raise OutletRefusedError
        if Fault.OUTLET_LIES not in faults:
            self.set(address, power=power)

    def faults_of(self, address: str) -> frozenset[Fault]:
        """Return the faults of one outlet, without those of the whole device."""
        with self._fault_lock:
            return frozenset(self._faults[address])

    def inject_fault(self, fault: Fault, addresses: Collection[str]) -> None:
        """Inject one of `FAULTS_OF_ONE_OUTLET`."""
        with self._fault_lock:
            for address in addresses:
                self._faults[address].add(fault)

    def clear_fault(self, fault: Fault, addresses: Collection[str]) -> None:
        """Clear one of `FAULTS_OF_ONE_OUTLET`."""
        with self._fault_lock:
            for address in addresses:
                self._faults[address].discard(fault)


class OutletServer(ABC):
    """A device that clients on the network or on this machine switch. A context manager.

    Args:
        addresses: Addresses of the outlets.
        host: IP address of the device.
        port: Port of the device. 0 chooses a free one.
        on_switch: See `DeviceOutlets`.
        watts: See `DeviceOutlets`.
        restart_seconds: Duration of the fault `outlet-restarts`.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_switch: Callable[[str, bool], None] = lambda _address, _power: None,
        watts: Callable[[str], float] | None = None,
        restart_seconds: float = RESTART_SECONDS,
    ) -> None:
        self.host = host
        self.port = port
        self.outlets = DeviceOutlets(addresses, on_switch, watts)
        self._restart_seconds = restart_seconds
        self._faults: set[Fault] = set()
        self._fault_lock = threading.Lock()
        self._return: threading.Timer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def start(self) -> None:
        """Start the server.

        Raises:
            OSError: If the host or the port cannot be used.
            ProgramError: If a required program is not available.
        """

    def close(self) -> None:
        """Stop the server and release its resources. The outlets keep their power."""
        with self._fault_lock:
            if self._return is not None:
                self._return.cancel()

    @property
    def is_away(self) -> bool:
        """Whether the device does not reply."""
        return not self._faults.isdisjoint({Fault.OUTLET_AWAY, Fault.OUTLET_RESTARTS})

    @property
    def delay(self) -> float:
        """Seconds by which the device delays each reply."""
        return SLOW_SECONDS if Fault.OUTLET_SLOW in self._faults else 0.0

    @property
    def has_other_credentials(self) -> bool:
        """Whether the device rejects the credentials that it accepted at first."""
        return Fault.OUTLET_CREDENTIALS in self._faults

    def faults_of(self, address: str) -> frozenset[Fault]:
        """Return the faults that affect an outlet."""
        with self._fault_lock:
            device_faults = frozenset(self._faults)
        return self.outlets.faults_of(address) | device_faults

    def inject_fault(self, fault: Fault, addresses: Collection[str] = ()) -> None:
        """Inject one of `OUTLET_FAULTS`.

        Args:
            fault: The fault.
            addresses: Outlets with this fault, by default all. Ignored if the fault affects the
                whole device.
        """
        if fault in FAULTS_OF_ONE_OUTLET:
            self.outlets.inject_fault(fault, addresses or self.outlets.addresses)
            return
        with self._fault_lock:
            self._faults.add(fault)
            if fault is Fault.OUTLET_RESTARTS:
                self._schedule_return()
        self._apply_faults(fault)

    def clear_fault(self, fault: Fault | None = None, addresses: Collection[str] = ()) -> None:
        """Clear one fault, or by default all faults, of these outlets, by default of all."""
        for cleared in [fault] if fault else OUTLET_FAULTS:
            if cleared in FAULTS_OF_ONE_OUTLET:
                self.outlets.clear_fault(cleared, addresses or self.outlets.addresses)
            elif cleared in self._faults:
                with self._fault_lock:
                    self._faults.discard(cleared)
                self._apply_faults(cleared)

    @abstractmethod
    def _apply_faults(self, changed: Fault) -> None:
        """Change the server after a fault of the whole device was injected or cleared."""

    def _schedule_return(self) -> None:
        if self._return is not None:
            self._return.cancel()
        self._return = threading.Timer(
            self._restart_seconds, self.clear_fault, [Fault.OUTLET_RESTARTS]
        )
        self._return.daemon = True
        self._return.start()
