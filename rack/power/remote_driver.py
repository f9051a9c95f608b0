"""Base class of drivers for devices that may not respond, such as those on a network."""

from abc import abstractmethod
from collections.abc import Callable, Mapping

from rack.clock import Moment
from rack.power.driver import PowerDriver, SettingsT
from rack.power.state import SwitchResult
from rack.power.verification import verify


class RemoteDriver(PowerDriver[SettingsT]):
    """Sends commands to devices, and reads the outlets back."""

    @property
    @abstractmethod
    def device(self) -> str:
        """Driver and device in error lines, for example `snmp 10.23.0.2`."""

    @property
    @abstractmethod
    def timeout(self) -> float:
        """Seconds after which an outlet that is read back must have its power."""

    @abstractmethod
    def send(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Send a command for each outlet. See `switch`, which reads the outlets back."""

    def switch(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Send the commands, and read back the outlets whose commands succeeded."""
        return verify(
            self.send(power, now),
            power,
            self.read,
            now=now,
            timeout=self.timeout,
            describe=self.error_line,
        )

    def error_line(self, address: str, problem: str) -> str:
        """Return a problem with the outlet and the device in front."""
        return f"{self.name}:{address} ({self.device}): {problem}"
