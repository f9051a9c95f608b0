"""Power driver `http`, for smart plugs and power strips: Shelly Gen2 and later, and Tasmota."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTP_PORT
from ipaddress import IPv6Address, ip_address
from typing import ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from rack.clock import Moment
from rack.power import credentials
from rack.power.credentials import SecretFile, SecretVariable, secret_file, secret_variable
from rack.power.drivers.http_devices import APIS, Device, DeviceError, DeviceUnreachableError
from rack.power.remote_driver import RemoteDriver
from rack.power.state import OutletReading, SwitchResult
from rack.settings import Settings, seconds_field

_MAX_PARALLEL = 16
_MAX_CHANNEL = 63
_MAX_PORT = 65535
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9.]+)(?::(\d{1,5}))?(?:/(\d{1,2}))?", re.ASCII)
_INVALID_ADDRESS = (
    "is not the address of a plug:"
    " use its IP address, with a port and a channel if necessary, such as 10.23.0.31:80/1"
)

_T = TypeVar("_T")


class HttpSettings(Settings):
    """Keys of a power source with the driver `http`."""

    api: Literal["shelly", "tasmota"] = Field(
        description='the interface of the devices: `"shelly"` (second generation and later)'
        ' or `"tasmota"`'
    )
    user: str = Field(
        "admin",
        pattern=r'^[^"\\:\x00-\x1f\x7f]{1,64}$',
        description="the name for authentication, up to 64 characters. Shelly has `admin` only",
    )
    password_file: SecretFile = secret_file("the password of the devices")
    password_env: SecretVariable = secret_variable("the password of the devices")
    timeout_seconds: float = seconds_field(
        5.0, "the time a reply may take", maximum=60, positive=True
    )

    @model_validator(mode="after")
    def _check_credentials(self) -> "HttpSettings":
        credentials.is_set(self, "password")
        return self


class HttpDriver(RemoteDriver[HttpSettings]):
    """Switches and reads the channels of plugs and power strips.

    An address names the device and its channel, so that one power source contains all devices with
    the same password. Devices are used in parallel, and the channels of a device one after another.
    """

    settings_type: ClassVar[type[Settings]] = HttpSettings

    @classmethod
    def normalize_address(cls, settings: HttpSettings, address: str) -> str:
        """Return the address without a port and channel that are the default."""
        first = APIS[settings.api].first_channel
        host, port, channel = _split(address, first)
        if not first <= channel <= _MAX_CHANNEL:
            raise ValueError(f"has an invalid channel: use {first} to {_MAX_CHANNEL}")
        return _host(host, port) + (f"/{channel}" if channel != first else "")

    @property
    def device(self) -> str:
        """See `RemoteDriver.device`."""
        return f"http {self.settings.api}"

    @property
    def timeout(self) -> float:
        """The time for a reply."""
        return self.settings.timeout_seconds

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        """Request the state of each channel."""
        api = APIS[self.settings.api]
        return self._for_each(
            addresses,
            lambda device, channel, _: api.read(device, channel),
            lambda _, error: OutletReading(None, error=error),
        )

    def send(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Switch each channel."""
        api = APIS[self.settings.api]
        started: dict[str, Moment] = {}

        def switch_one(device: Device, channel: int, address: str) -> SwitchResult:
            started[address] = now()
            api.switch(device, channel, is_on=power[address])
            return SwitchResult(started[address], now())

        return self._for_each(
            tuple(power),
            switch_one,
            lambda address, error: SwitchResult(started.get(address), None, error),
        )

    def _for_each(
        self,
        addresses: Iterable[str],
        use: Callable[[Device, int, str], _T],
        fail: Callable[[str, str], _T],
    ) -> dict[str, _T]:
        """Return the result of `use` for each address, or that of `fail` with the error line."""
        first = APIS[self.settings.api].first_channel
        channels: dict[str, dict[str, int]] = {}
        for address in addresses:
            host, port, channel = _split(address, first)
            channels.setdefault(_host(host, port), {})[address] = channel
        try:
            password = credentials.read_secret(self.settings, "password")
        except credentials.CredentialError as error:
            return {
                address: fail(address, self.error_line(address, str(error)))
                for address in addresses
            }

        def use_device(host: str) -> dict[str, _T]:
            device = Device(host, self.settings.user, password, self.settings.timeout_seconds)
            results: dict[str, _T] = {}
            unreachable = ""
            for address, channel in channels[host].items():
                try:
                    if unreachable:
                        raise DeviceUnreachableError(unreachable)
                    results[address] = use(device, channel, address)
                except DeviceError as error:
                    unreachable = str(error) if isinstance(error, DeviceUnreachableError) else ""
                    results[address] = fail(address, self.error_line(address, str(error)))
            return results

        with ThreadPoolExecutor(min(len(channels), _MAX_PARALLEL) or 1) as pool:
            by_address = {
                address: result
                for results in pool.map(use_device, channels)
                for address, result in results.items()
            }
        return {address: by_address[address] for address in addresses}


def _split(address: str, first_channel: int) -> tuple[str, int, int]:
    """Return the IP address, the port and the channel.

    Raises:
        ValueError: If the address is invalid.
    """
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise ValueError(_INVALID_ADDRESS)
    port = int(found[2] or HTTP_PORT)
    try:
        host = ip_address(found[1].strip("[]"))
    except ValueError as error:
        raise ValueError(_INVALID_ADDRESS) from error
    is_bracketed = found[1].startswith("[")
    if isinstance(host, IPv6Address) != is_bracketed or not 1 <= port <= _MAX_PORT:
        raise ValueError(_INVALID_ADDRESS)
    return str(host), port, first_channel if found[3] is None else int(found[3])


def _host(host: str, port: int) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port == HTTP_PORT else f"{bracketed}:{port}"
