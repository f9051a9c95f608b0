"""HTTP interfaces of smart plugs and power strips: Shelly Gen2 and later, and Tasmota."""

import json
import math
import re
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import RemoteDisconnected
from typing import Any, ClassVar, Protocol
from urllib.parse import urlencode

from rack import bounded_http
from rack.bounded_http import HttpResponse
from rack.errors import PiRackError
from rack.power.drivers.digest import UnsupportedChallengeError, authorization
from rack.power.state import OutletReading

_MAX_BYTES = 65536
_MAX_MESSAGE_CHARS = 120
_NO_SUCH_SWITCH = -105  # error code of Shelly
_NOT_A_DEVICE = "the response is not that of such a device: check the address and `api`"


class DeviceError(PiRackError):
    """A device did not do what was asked. The text is the problem and a fix."""


class DeviceUnreachableError(DeviceError):
    """A device does not reply, so that its other channels would not reply either."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and how to talk to it.

    Attributes:
        host: IP address, with a port if it is not 80. An IPv6 address is in brackets.
        user: Name for authentication.
        password: Password for authentication, or an empty string.
        timeout: Seconds for a reply.
    """

    host: str
    user: str
    password: str = field(repr=False)
    timeout: float


class DeviceApi(Protocol):
    """An HTTP interface."""

    first_channel: ClassVar[int]

    def read(self, device: Device, channel: int) -> OutletReading:
        """Return the state of a channel. Raise `DeviceError`."""
        ...

    def switch(self, device: Device, channel: int, *, is_on: bool) -> None:
        """Switch a channel. Raise `DeviceError`."""
        ...


class ShellyApi:
    """Remote procedure calls of Shelly devices of the second generation and later."""

    first_channel: ClassVar[int] = 0

    def read(self, device: Device, channel: int) -> OutletReading:
        """Return the state of a channel."""
        status = self._call(device, "Switch.GetStatus", id=str(channel))
        output = status.get("output")
        if not isinstance(output, bool):
            raise DeviceError(f"switch {channel} reports no output: update the device")
        errors = status.get("errors")
        detail = ", ".join(map(str, errors)) if isinstance(errors, list) else ""
        return OutletReading(output, _watts(status.get("apower")), _printable(detail))

    def switch(self, device: Device, channel: int, *, is_on: bool) -> None:
        """Switch a channel."""
        self._call(device, "Switch.Set", id=str(channel), on="true" if is_on else "false")

    def _call(self, device: Device, method: str, **parameters: str) -> dict[str, Any]:
        path = f"/rpc/{method}"
        response = _get(device, path, parameters)
        if response.status == HTTPStatus.UNAUTHORIZED and device.password:
            header = self._authorization(device, response.authenticate, path, parameters)
            response = _get(device, path, parameters, {"Authorization": header})
        _check_authorized(device, response.status == HTTPStatus.UNAUTHORIZED)
        content = _parse(response)
        if not response.is_ok:
            message = _printable(str(content.get("message", f"HTTP status {response.status}")))
            is_missing = content.get("code") == _NO_SUCH_SWITCH
            fix = "correct the address" if is_missing else "check the device"
            raise DeviceError(f"the device rejected {method} ({message}): {fix}")
        return content

    def _authorization(
        self, device: Device, challenge: str, path: str, parameters: dict[str, str]
    ) -> str:
        try:
            return authorization(
                challenge,
                user=device.user,
                password=device.password,
                method="GET",
                target=f"{path}?{urlencode(parameters)}",
                client_nonce=secrets.token_hex(16),
            )
        except UnsupportedChallengeError as error:
            raise DeviceError(
                "the device asks for another authentication than digest with SHA-256:"
                " use a Shelly of the second generation or later, and check the address"
            ) from error


class TasmotaApi:
    """Commands of the Tasmota firmware as web requests."""

    first_channel: ClassVar[int] = 1

    def read(self, device: Device, channel: int) -> OutletReading:
        """Return the state of a channel."""
        state = self._command(device, "Status 11").get("StatusSTS")
        relays = _relays(state) if isinstance(state, dict) else {}
        if channel not in relays:
            raise DeviceError(f"the device has no relay {channel}: correct the address")
        energy = self._command(device, "Status 10").get("StatusSNS")
        return OutletReading(
            relays[channel], _tasmota_watts(energy, channel, is_single=len(relays) == 1)
        )

    def switch(self, device: Device, channel: int, *, is_on: bool) -> None:
        """Switch a channel."""
        response = self._command(device, f"Power{channel} {'On' if is_on else 'Off'}")
        if channel not in _relays(response):
            raise DeviceError(f"the device has no relay {channel}: correct the address")

    def _command(self, device: Device, command: str) -> dict[str, Any]:
        credentials = {"user": device.user, "password": device.password} if device.password else {}
        response = _get(device, "/cm", {**credentials, "cmnd": command})
        _check_authorized(device, response.status == HTTPStatus.UNAUTHORIZED)
        content = _parse(response)
        # Versions before 8.2.3 report a wrong password with status 200.
        _check_authorized(device, "WARNING" in content)
        if not response.is_ok:
            raise DeviceError(f"HTTP status {response.status}: check that the device runs Tasmota")
        return content


APIS: dict[str, DeviceApi] = {"shelly": ShellyApi(), "tasmota": TasmotaApi()}


def _relays(state: dict[str, Any]) -> dict[int, bool]:
    """Return the states of relays, keyed by number, from keys such as `POWER` and `POWER2`."""
    states = {"ON": True, "OFF": False}
    return {
        int(found[1] or 1): states[value]
        for key, value in state.items()
        if (found := re.fullmatch(r"POWER(\d{0,2})", key)) and value in states
    }


def _tasmota_watts(sensors: object, channel: int, *, is_single: bool) -> float | None:
    """Return the power of a channel. One number of several relays is the sum of all."""
    energy = sensors.get("ENERGY") if isinstance(sensors, dict) else None
    power = energy.get("Power") if isinstance(energy, dict) else None
    if isinstance(power, list):
        return _watts(power[channel - 1]) if channel <= len(power) else None
    return _watts(power) if is_single else None


def _watts(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _get(
    device: Device,
    path: str,
    parameters: dict[str, str],
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """Send a request. Errors do not contain the parameters, which may contain a password."""
    try:
        return bounded_http.get(
            f"http://{device.host}{path}",
            timeout=device.timeout,
            max_bytes=_MAX_BYTES,
            parameters=parameters,
            headers=headers,
        )
    except TimeoutError as error:
        no_reply = f"no reply within {device.timeout:g} s"
        raise DeviceUnreachableError(f"{no_reply}: check the device and its address") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DeviceUnreachableError(f"{reason}: check the device and its address") from error
    except bounded_http.InvalidResponseError as error:
        if isinstance(error.__cause__, RemoteDisconnected):
            closed = "the device closed the connection: check the device and its address"
            raise DeviceUnreachableError(closed) from error
        raise DeviceError(_NOT_A_DEVICE) from error


def _parse(response: HttpResponse) -> dict[str, Any]:
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise DeviceError(_NOT_A_DEVICE) from error
    if not isinstance(content, dict):
        raise DeviceError(_NOT_A_DEVICE)
    return content


def _check_authorized(device: Device, is_rejected: bool) -> None:
    if not is_rejected:
        return
    if device.password:
        raise DeviceError("the device rejected the password: correct password_file or password_env")
    raise DeviceError("the device requires a password: set password_file or password_env")


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:_MAX_MESSAGE_CHARS]
