"""A simulated switch with outlets, its power driver, and the installation of this driver."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import model_validator

from rack.clock import Moment
from rack.power.driver import PowerDriver
from rack.power.state import OutletReading, SwitchResult
from rack.settings import Settings
from tests.helpers.waiting import TIMEOUT_SECONDS

NO_REPLY = "no reply within 5 s: check the switch"


class SwitchSettings(Settings):
    """Keys of the power source of a simulated switch."""

    ports: int = 8

    @model_validator(mode="after")
    def _has_ports(self) -> "SwitchSettings":
        if self.ports < 1:
            raise ValueError("no ports: set ports to 1 or more")
        return self


class SimulatedSwitch:
    """The device. All ports are on at first.

    Attributes:
        ports: Whether each port supplies power.
        calls: What the driver has done: `read`, and `5 on` for each command.
        silent: Ports that do not reply.
        responds: Whether calls return. If it is cleared, they wait until it is set.
        before_port: Called before each port is switched.
    """

    def __init__(self, ports: int = 8) -> None:
        self.ports = {str(number): True for number in range(1, ports + 1)}
        self.calls: list[str] = []
        self.silent: set[str] = set()
        self.responds = threading.Event()
        self.responds.set()
        self.before_port: Callable[[str], None] = lambda port: None

    @property
    def is_waiting(self) -> bool:
        """Whether a call has arrived that waits."""
        return bool(self.calls) and not self.responds.is_set()

    def call(self, text: str) -> None:
        self.calls.append(text)
        assert self.responds.wait(TIMEOUT_SECONDS)


class SwitchDriver(PowerDriver[SwitchSettings]):
    """The power driver `simulated` of such a switch."""

    settings_type = SwitchSettings

    def __init__(
        self, name: str, settings: SwitchSettings, device: SimulatedSwitch | None = None
    ) -> None:
        super().__init__(name, settings)
        self.device = device or SimulatedSwitch(settings.ports)

    @classmethod
    def normalize_address(cls, settings: SwitchSettings, address: str) -> str:
        if address.isdecimal() and 1 <= int(address) <= settings.ports:
            return str(int(address))
        raise ValueError(f"is not a port: use 1 to {settings.ports}")

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        self.device.call("read")
        return {
            address: OutletReading(None, error=self._error(address))
            if address in self.device.silent
            else OutletReading(self.device.ports[address], watts=3.5)
            for address in addresses
        }

    def switch(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        results = {}
        for address, is_on in power.items():
            before = now()
            self.device.before_port(address)
            self.device.call(f"{address} {'on' if is_on else 'off'}")
            if address in self.device.silent:
                results[address] = SwitchResult(None, None, self._error(address))
            else:
                self.device.ports[address] = is_on
                results[address] = SwitchResult(before, now())
        return results

    def _error(self, address: str) -> str:
        return f"{self.name}:{address} (simulated): {NO_REPLY}"


def install_drivers(monkeypatch: pytest.MonkeyPatch, folder: Path, **drivers: str) -> None:
    """Install a package with power drivers, which are entry points such as `module:Class`."""
    info = folder / "pirack_test_drivers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pirack-test-drivers\nVersion: 1\n")
    lines = "".join(f"{name} = {value}\n" for name, value in drivers.items())
    (info / "entry_points.txt").write_text(f"[pirack.power_drivers]\n{lines}")
    monkeypatch.syspath_prepend(folder)


SIMULATED = f"{SwitchDriver.__module__}:{SwitchDriver.__name__}"
"""Entry point of the driver `simulated`."""
