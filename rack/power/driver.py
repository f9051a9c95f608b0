"""Interface of power drivers, the code that switches and reads the outlets of a power source."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from rack.clock import Moment
from rack.power.state import OutletReading, SwitchResult
from rack.settings import Settings

SettingsT = TypeVar("SettingsT", bound=Settings)


class PowerDriver(ABC, Generic[SettingsT]):
    """Switches and reads the outlets of one power source.

    A driver is not required to be thread-safe: there is one call at a time for each source. Calls
    for other sources continue at the same time. Each call must return within a timeout.

    Errors are one line with the outlet, the driver and a fix: `poe:5 (snmp 10.23.0.2): no reply
    within 5 s: check the switch, its address and the community`.

    Args:
        name: Name of the power source, `NAME` of the table `[power.NAME]`.
        settings: Keys of that table, besides `driver`. The constructor reads no files, opens no
            connections and starts no threads.
    """

    settings_type: ClassVar[type[Settings]]
    """Keys of `[power.NAME]` besides `driver`."""

    resets_at_boot: ClassVar[bool] = False
    """Whether the outlets lose their state when the master boots.

    Startup reads such outlets and applies `relays.after_boot`. It neither reads nor switches the
    outlets of other sources.
    """

    def __init__(self, name: str, settings: SettingsT) -> None:
        self.name = name
        self.settings = settings

    @classmethod
    def normalize_address(cls, settings: SettingsT, address: str) -> str:  # noqa: ARG003 - for others
        """Return the one form of an address that two writings of the same outlet share.

        Args:
            settings: Settings of the power source.
            address: Text after the colon of `SOURCE:ADDRESS` in rack.toml, not empty.

        Raises:
            ValueError: If the address is invalid. The text has the form `is not a port: use 1 to
                48`, and follows the address.
        """
        return address

    @abstractmethod
    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        """Return a reading for each of these addresses.

        A failure is an `OutletReading` with an error, not an exception.
        """

    @abstractmethod
    def switch(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Switch outlets in the order of the mapping, as close together as possible.

        The driver reads each outlet back if the device allows it. If one outlet fails, all others
        are switched nevertheless.

        Args:
            power: Whether to switch an outlet on, keyed by its address.
            now: Returns the current time on both clocks of the master.

        Returns:
            A result for each of the addresses. A failure is a result with an error, not an
            exception.
        """

    def start(self, power: Mapping[str, bool]) -> None:
        """Claim the outlets with this power. Called once, only if `resets_at_boot`.

        Args:
            power: Power of all outlets, keyed by their addresses. An outlet that has this power
                already is not switched.

        Raises:
            RelayError: If the outlets cannot be used on this machine.
        """

    def close(self) -> None:
        """Close connections. The outlets keep their power."""


AnyPowerDriver: TypeAlias = PowerDriver[Any]
