"""A power driver whose device is simulated in the process of the test."""

import threading
from collections.abc import Callable, Mapping, Sequence

from rack.clock import Moment
from rack.power.driver import PowerDriver
from rack.power.state import OutletReading, SwitchResult
from rack.settings import Settings


class SimulatedDriver(PowerDriver[Settings]):
    """Switches and reads the outlets of a device that a test sets.

    Attributes:
        power: Whether each outlet supplies power, keyed by its address.
        watts: Measured power of outlets that are on. The others are not measured.
        requests: The power that each call of `switch` has requested.
        broken: Addresses that are not switched.
        is_away: Whether the device neither replies nor switches.
        loses_replies: Whether the device switches, but its replies are lost.
        may_reply: The device replies while this is set.
        on_switch: Called with the address and the new power of each outlet that is switched.
    """

    settings_type = Settings

    def __init__(self, name: str, addresses: Sequence[str]) -> None:
        super().__init__(name, Settings())
        self.power = dict.fromkeys(addresses, True)
        self.watts: dict[str, float] = {}
        self.requests: list[Mapping[str, bool]] = []
        self.broken: set[str] = set()
        self.is_away = self.loses_replies = False
        self.may_reply = threading.Event()
        self.may_reply.set()
        self.on_switch: Callable[[str, bool], None] = lambda _address, _power: None

    def error_of(self, address: str) -> str:
        """Return the error of an outlet that is not switched."""
        return f"{self.name}:{address} (simulated): no reply within 1 s: check the device"

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        self.may_reply.wait()
        if self.is_away:
            return {each: OutletReading(None, error=self.error_of(each)) for each in addresses}
        return {each: OutletReading(self.power[each], self._watts(each)) for each in addresses}

    def _watts(self, address: str) -> float | None:
        return self.watts.get(address) if self.power[address] else 0.0

    def switch(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        self.may_reply.wait()
        self.requests.append(dict(power))
        return {address: self._switch(address, is_on, now) for address, is_on in power.items()}

    def _switch(self, address: str, is_on: bool, now: Callable[[], Moment]) -> SwitchResult:
        before = now()
        is_switched = not self.is_away and address not in self.broken
        if is_switched and self.power[address] is not is_on:
            self.power[address] = is_on
            self.on_switch(address, is_on)
        if not is_switched or self.loses_replies:
            return SwitchResult(None, None, self.error_of(address))
        return SwitchResult(before, now())
