"""Power driver `snmp`, for switches with Power over Ethernet (POWER-ETHERNET-MIB, RFC 3621)."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rack.clock import Moment
from rack.power.credentials import CredentialError
from rack.power.drivers.snmp_errors import RejectedError, SnmpError
from rack.power.drivers.snmp_settings import DETECTION_OID, SnmpSettings
from rack.power.remote_driver import RemoteDriver
from rack.power.state import OutletReading, SwitchResult
from rack.settings import Settings

if TYPE_CHECKING:
    from rack.power.drivers.snmp_client import SnmpClient, Value

_DETECTION = {
    1: "disabled",
    2: "searching",
    3: "delivering power",
    4: "fault",
    5: "test",
    6: "other fault",
}
_DELIVERING = 3
_MAX_VARIABLES = 20
_ADDRESS = re.compile(r"(?:(\d{1,5})\.)?(\d{1,6})", re.ASCII)


class SnmpDriver(RemoteDriver[SnmpSettings]):
    """Switches and reads the ports of a switch.

    Ports are switched one after another, because many switches handle one request at a time, and
    then read back. A port that is disabled but still delivers power is unknown.
    """

    settings_type: ClassVar[type[Settings]] = SnmpSettings

    def __init__(self, name: str, settings: SnmpSettings) -> None:
        super().__init__(name, settings)
        self._client: SnmpClient | None = None

    @classmethod
    def normalize_address(cls, settings: SnmpSettings, address: str) -> str:  # noqa: ARG003
        """Return `PORT`, or `GROUP.PORT` if the group is not 1."""
        group, port = _group_and_port(address)
        return str(port) if group == 1 else f"{group}.{port}"

    @property
    def device(self) -> str:
        """See `RemoteDriver.device`."""
        return f"snmp {self.settings.host}"

    @property
    def timeout(self) -> float:
        """The time for a reply."""
        return self.settings.timeout_seconds

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        """Request the objects of all ports, several in each message."""
        options = self.settings
        patterns = [
            pattern
            for pattern in (options.switch_oid, options.status_oid, options.watts_oid)
            if pattern
        ]
        size = _MAX_VARIABLES // len(patterns)
        readings: dict[str, OutletReading] = {}
        for start in range(0, len(addresses), size):
            ports = addresses[start : start + size]
            try:
                values = self._connect().get([_oid(p, port) for port in ports for p in patterns])
            except (SnmpError, CredentialError) as error:
                self._close_after(error)
                if not isinstance(error, RejectedError):
                    return readings | self._unread(addresses[start:], str(error))
                readings |= self._unread(ports, str(error))
            else:
                readings |= {port: self._reading(port, values) for port in ports}
        return readings

    def send(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Set the object of each port.

        After a request without a reply, the remaining ports are not switched.
        """
        results: dict[str, SwitchResult] = {}
        no_reply = ""
        for port, is_on in power.items():
            if no_reply:
                results[port] = SwitchResult(None, None, self.error_line(port, no_reply))
                continue
            before = now()
            try:
                self._connect().set(
                    _oid(self.settings.switch_oid, port),
                    self.settings.on_value if is_on else self.settings.off_value,
                )
            except (SnmpError, CredentialError) as error:
                self._close_after(error)
                no_reply = "" if isinstance(error, RejectedError) else str(error)
                results[port] = SwitchResult(before, None, self.error_line(port, str(error)))
            else:
                results[port] = SwitchResult(before, now())
        return results

    def close(self) -> None:
        """Close the socket."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> "SnmpClient":
        """Return a client with the current credentials."""
        if self._client is None:
            from rack.power.drivers.snmp_client import SnmpClient  # noqa: PLC0415 - takes long to load

            self._client = SnmpClient(self.settings)
        return self._client

    def _close_after(self, error: Exception) -> None:
        """Close the client, except after a reply. The next one reads the credentials again."""
        if not isinstance(error, RejectedError):
            self.close()

    def _unread(self, ports: Iterable[str], problem: str) -> dict[str, OutletReading]:
        return {port: OutletReading(None, error=self.error_line(port, problem)) for port in ports}

    def _reading(self, port: str, values: Mapping[str, "Value"]) -> OutletReading:
        def value_of(pattern: str) -> "Value":
            return values.get(_oid(pattern, port)) if pattern else None

        reading = interpret(
            self.settings,
            value_of(self.settings.switch_oid),
            value_of(self.settings.status_oid),
            value_of(self.settings.watts_oid),
        )
        if not reading.error:
            return reading
        return OutletReading(None, error=self.error_line(port, reading.error))


def interpret(
    settings: SnmpSettings, switched: "Value", status: "Value", watts: "Value"
) -> OutletReading:
    """Return the reading that the values of a port's objects describe. None: no such object."""
    if switched is None:
        return OutletReading(
            None, error="the switch has no such port: correct the address or switch_oid"
        )
    if switched not in (settings.on_value, settings.off_value):
        return OutletReading(
            None,
            error=f"the switch reports {switched!r}, which is neither on_value nor off_value:"
            " correct these settings",
        )
    is_on = switched == settings.on_value
    detail = "" if status is None else str(status)
    if settings.status_oid == DETECTION_OID and isinstance(status, int):
        detail = _DETECTION.get(status, detail)
        if status == _DELIVERING and not is_on:
            return OutletReading(
                None,
                error="the switch reports the port as disabled and as delivering power:"
                " check the switch",
            )
    return OutletReading(is_on, _watts(watts, settings.watts_scale), detail)


def _watts(value: "Value", scale: float) -> float | None:
    try:
        watts = math.nan if value is None else float(value) * scale
    except ValueError:
        return None
    return watts if math.isfinite(watts) and watts >= 0 else None


def _group_and_port(address: str) -> tuple[int, int]:
    found = _ADDRESS.fullmatch(address)
    group, port = (int(found[1] or 1), int(found[2])) if found else (0, 0)
    if not group or not port:
        raise ValueError("is not a port: use its number, such as 5, or GROUP.PORT, such as 2.5")
    return group, port


def _oid(pattern: str, address: str) -> str:
    group, port = _group_and_port(address)
    return pattern.replace("{group}", str(group)).replace("{port}", str(port))
