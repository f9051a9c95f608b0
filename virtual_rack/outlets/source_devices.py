"""Creation of the virtual devices for the power sources in a rack.toml."""

import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from rack.layout import Outlet, PowerSource, Rack
from rack.power.credentials import read_secret
from rack.power.drivers.http_api import HttpSettings
from rack.power.drivers.snmp_settings import SnmpSettings
from virtual_rack.outlets.command import CommandProgram
from virtual_rack.outlets.device import OutletServer
from virtual_rack.outlets.poe_switch import PoeSwitch, SnmpCredentials
from virtual_rack.outlets.shelly import Shelly
from virtual_rack.outlets.tasmota import Tasmota

_HTTP_PORT = 80
_FIRST_CHANNEL = {"shelly": 0, "tasmota": 1}
_AUTH_PROTOCOLS = {
    "md5": "MD5", "sha": "SHA", "sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384",
    "sha512": "SHA-512",
}  # fmt: skip
_PRIVACY_PROTOCOLS = {"des": "DES", "aes": "AES", "aes192": "AES-192", "aes256": "AES-256"}


@dataclass(frozen=True, slots=True)
class SourceDevice:
    """A device of a power source.

    Attributes:
        server: Server of the device.
        outlets: Outlets of the rack, keyed by their addresses at the device.
        load_credentials: Function that gives the server the credentials of rack.toml.
    """

    server: OutletServer
    outlets: Mapping[str, Outlet]
    load_credentials: Callable[[], None] = lambda: None


class DeviceBuilder:
    """Creates the devices of power sources. The devices are not started.

    Args:
        folder: Folder for the files of the devices, with a folder for each power source.
        on_switch: Function that receives an outlet and its new power.
        watts: Function that returns the power consumption behind an outlet.
    """

    def __init__(
        self,
        folder: Path,
        on_switch: Callable[[Outlet, bool], None],
        watts: Callable[[Outlet], float],
    ) -> None:
        self._folder = folder
        self._on_switch = on_switch
        self._watts = watts

    def make_devices(
        self, source: PowerSource, outlets: Sequence[Outlet]
    ) -> Iterator[SourceDevice]:
        """Return the devices of a power source with these outlets, or none for other drivers."""
        by_address = {outlet.address: outlet for outlet in outlets}
        match source.settings:
            case SnmpSettings() as snmp:
                yield self._make_switch(snmp, by_address, self._folder / source.name)
            case HttpSettings() as http:
                yield from self._make_plugs(http, by_address)
            case _ if source.driver == "command":
                yield self._make_program(by_address, self._folder / source.name)

    def _make_switch(
        self, settings: SnmpSettings, outlets: Mapping[str, Outlet], folder: Path
    ) -> SourceDevice:
        switch = PoeSwitch(
            list(outlets),
            folder,
            host=settings.host,
            port=settings.port,
            on_switch=partial(self._switch_outlet, outlets),
            watts=lambda address: self._watts(outlets[address]),
        )

        def load_credentials() -> None:
            switch.credentials = snmp_credentials(settings)

        return SourceDevice(switch, outlets, load_credentials)

    def _make_plugs(
        self, settings: HttpSettings, outlets: Mapping[str, Outlet]
    ) -> Iterator[SourceDevice]:
        first = _FIRST_CHANNEL[settings.api]
        hosts: defaultdict[tuple[str, int], dict[str, Outlet]] = defaultdict(dict)
        for address, outlet in outlets.items():
            host, port, channel = split_address(address, first)
            hosts[host, port][str(channel)] = outlet
        for (host, port), channels in hosts.items():
            yield self._make_plug(settings, host, port, channels)

    def _make_plug(
        self, settings: HttpSettings, host: str, port: int, channels: Mapping[str, Outlet]
    ) -> SourceDevice:
        last = max(map(int, channels))
        kind = Shelly if settings.api == "shelly" else Tasmota
        plug = kind(
            [str(channel) for channel in range(_FIRST_CHANNEL[settings.api], last + 1)],
            host=host,
            port=port,
            on_switch=partial(self._switch_outlet, channels),
            watts=lambda address: self._watts(channels[address]) if address in channels else 0.0,
        )

        def load_credentials() -> None:
            plug.password = read_secret(settings, "password")

        return SourceDevice(plug, channels, load_credentials)

    def _make_program(self, outlets: Mapping[str, Outlet], folder: Path) -> SourceDevice:
        program = CommandProgram(
            list(outlets),
            folder,
            on_switch=partial(self._switch_outlet, outlets),
            watts=lambda address: self._watts(outlets[address]),
        )
        return SourceDevice(program, outlets)

    def _switch_outlet(self, outlets: Mapping[str, Outlet], address: str, power: bool) -> None:
        if address in outlets:
            self._on_switch(outlets[address], power)


def snmp_credentials(settings: SnmpSettings) -> SnmpCredentials:
    """Return the credentials to which the settings of a power source refer, and no others.

    Raises:
        CredentialError: If a credential cannot be read.
    """
    unknown = secrets.token_hex()
    if settings.version == "2c":
        return SnmpCredentials(
            community=read_secret(settings, "community"),
            read_community=f"read-{unknown}",
            auth_password=unknown,
            privacy_password=unknown,
        )
    return SnmpCredentials(
        community=unknown,
        read_community=f"read-{unknown}",
        user=settings.user,
        auth_protocol=_AUTH_PROTOCOLS[settings.auth_protocol],
        auth_password=read_secret(settings, "auth_password"),
        privacy_protocol=_PRIVACY_PROTOCOLS[settings.privacy_protocol],
        privacy_password=read_secret(settings, "privacy_password"),
    )


def split_address(address: str, default_channel: int) -> tuple[str, int, int]:
    """Return host, port and channel of an outlet with the driver `http`."""
    found = re.fullmatch(r"(\[[^]]*\]|[^:/]*)(?::(\d+))?(?:/(\d+))?", address)
    if found is None:
        raise ValueError(f"{address} is not an address of the driver http")
    host, port, channel = found.groups()
    return host.strip("[]"), int(port or _HTTP_PORT), int(channel or default_channel)


def programs(rack: Rack) -> frozenset[str]:
    """Return the programs that the devices of a rack require."""
    return frozenset("snmpd" for source in rack.power_sources.values() if source.driver == "snmp")


def hosts(rack: Rack) -> frozenset[str]:
    """Return the IP addresses of all devices of a rack, without those on loopback."""
    found = set()
    for source in rack.power_sources.values():
        match source.settings:
            case SnmpSettings() as snmp:
                found.add(snmp.host)
            case HttpSettings():
                found |= {
                    split_address(outlet.address, 0)[0] for outlet in rack.outlets_of(source.name)
                }
    return frozenset(host for host in found if not ip_address(host).is_loopback)
