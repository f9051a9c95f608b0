"""Virtual Tasmota device: relays over the commands of the `/cm` interface, with watts."""

import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from virtual_rack.outlets.device import OutletRefusedError
from virtual_rack.outlets.http_device import DeviceRequest, DeviceResponse, HttpDevice

_USER = "admin"  # the default name of Tasmota's user
_VOLTS = 230
_POWER_BY_WORD = {"on": True, "1": True, "off": False, "0": False}
_SENSORS, _ENERGY, _STATE = "10", "8", "11"  # of the command Status


class Tasmota(HttpDevice):
    """A device with a relay for each address, which is its number, from 1.

    Args:
        addresses: Numbers of the relays.
        password: Web password of the user `admin`. An empty one disables authentication.
        options: See `OutletServer`.
    """

    def __init__(self, addresses: Sequence[str], password: str = "", **options: Any) -> None:
        super().__init__(addresses, **options)
        self.password = password
        self._other_password = secrets.token_hex()

    def respond(self, request: DeviceRequest) -> DeviceResponse:
        """Return the response to a request; see `HttpDevice`."""
        if request.path != "/cm":
            return DeviceResponse("File Not Found", HTTPStatus.NOT_FOUND)
        if not self._is_authenticated(request.query):
            return DeviceResponse(
                {"WARNING": "Need user=<username>&password=<password>"}, HTTPStatus.UNAUTHORIZED
            )
        command, _, argument = request.query.get("cmnd", "").strip().partition(" ")
        return DeviceResponse(self._run(command, argument.strip().lower()))

    def _is_authenticated(self, query: Mapping[str, str]) -> bool:
        password = self._other_password if self.has_other_credentials else self.password
        return not password or (
            query.get("user") == _USER
            and hmac.compare_digest(query.get("password", "").encode(), password.encode())
        )

    def _run(self, command: str, argument: str) -> Mapping[str, object]:
        """Return the response to a command, whose name may have any case."""
        if match := re.fullmatch(r"power(\d*)", command, re.IGNORECASE):
            return self._power(command, match[1] or self.outlets.addresses[0], argument)
        if command.lower() == "status" and argument in {_SENSORS, _ENERGY}:
            return {"StatusSNS": {"Time": _now(), "ENERGY": self._energy()}}
        if command.lower() == "status" and argument == _STATE:
            states = {self._key(each): self._state(each) for each in self.outlets.addresses}
            return {"StatusSTS": {"Time": _now(), **states}}
        return {"Command": "Unknown"}

    def _power(self, command: str, relay: str, argument: str) -> Mapping[str, object]:
        if relay not in self.outlets.addresses:
            return {"Command": "Error", "Input": command.upper()}
        if argument not in _POWER_BY_WORD:
            return {self._key(relay): self._state(relay)}
        # A relay that is locked reports its unchanged state.
        with suppress(OutletRefusedError):
            self.outlets.switch(relay, power=_POWER_BY_WORD[argument])
            return {self._key(relay): "ON" if _POWER_BY_WORD[argument] else "OFF"}
        return {self._key(relay): self._state(relay)}

    def _key(self, relay: str) -> str:
        return "POWER" if len(self.outlets.addresses) == 1 else f"POWER{relay}"

    def _state(self, relay: str) -> str:
        return "ON" if self.outlets.is_on(relay) else "OFF"

    def _energy(self) -> Mapping[str, object]:
        watts = [round(self.outlets.watts(relay), 1) for relay in self.outlets.addresses]
        currents = [round(each / _VOLTS, 3) for each in watts]
        is_single = len(watts) == 1
        return {
            "Power": watts[0] if is_single else watts,
            "Voltage": _VOLTS,
            "Current": currents[0] if is_single else currents,
        }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S")
