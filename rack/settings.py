"""Settings of rack.toml: types, limits, defaults and descriptions.

The description of a field follows "set it to" in error messages, and appears in
docs/reference/rack-toml.md.
"""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, Strict

Contact = Literal["normally_open", "normally_closed"]
AfterBoot = Literal["restore", "on", "off"]
Anonymous = Literal["none", "viewer"]

RASPBERRY_PI_MAC_PREFIXES = (
    "b8:27:eb", "dc:a6:32", "e4:5f:01", "28:cd:c1", "d8:3a:dd", "2c:cf:67", "88:a2:9e",
)  # fmt: skip
"""Prefixes of the MAC addresses of Raspberry Pis, as registered with the IEEE."""


def seconds_field(
    default: float, description: str, *, maximum: float = 3600, positive: bool = False
) -> Any:
    """Return the field of a duration in seconds, from 0, or greater than 0 if `positive`."""
    return Field(
        default,
        ge=None if positive else 0,
        gt=0 if positive else None,
        le=maximum,
        allow_inf_nan=False,
        description=f"{description}, in seconds, up to {maximum:g}",
    )


def _port(default: int, description: str) -> Any:
    return Field(default, ge=1, le=65535, description=f"{description}, 1 to 65535")


class Settings(BaseModel):
    """A table of rack.toml."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Network(Settings):
    """Network of the rack."""

    subnet: Annotated[IPv4Network, Strict(False)] = Field(
        description='the network of the rack, for example `"10.23.0.0/16"`'
    )
    master: Annotated[IPv4Address, Strict(False)] = Field(
        description='the address of the master in the subnet, for example `"10.23.0.1"`'
    )
    address: str = Field(
        description="the pattern of a rasp's address with `{stack}`, `{slot}` and `{id}`,"
        ' for example `"10.23.{stack}.{slot}"`'
    )
    exporter_port: int = _port(9849, "the TCP port of the exporters")
    ssh_port: int = _port(22, "the TCP port of the rasps' SSH servers")


class RelayBoard(Settings):
    """Wiring of the relay board."""

    active_high: bool = Field(
        description="`true` if a high level on the pin energizes the relay, `false` if a low level"
    )
    contact: Contact = Field(
        description='`"normally_closed"` or `"normally_open"`, the contact that powers the stack'
    )
    after_boot: AfterBoot = Field(
        "restore",
        description="the power of the stacks after the master has booted:"
        ' `"restore"` (as last commanded), `"on"` or `"off"`',
    )

    def power_when(self, *, energized: bool) -> bool:
        """Return whether a stack has power if its relay is in this state."""
        return energized == (self.contact == "normally_open")

    def coil_state_for(self, *, power: bool) -> bool:
        """Return whether a relay must be energized for this power."""
        return power == (self.contact == "normally_open")


class AccessSettings(Settings):
    """Access to the controller."""

    anonymous: Anonymous = Field(
        "none", description='`"viewer"` to allow reading without a login, or `"none"`'
    )
    hosts: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")], ...],
        Strict(False),
    ] = Field(
        (),
        description="additional host names of the controller, in lower case and without port,"
        ' for example `["rack.example.org"]`',
    )


class OrderSettings(Settings):
    """Time limits for orders, and the maximum number of rasps that boot at the same time."""

    boot_seconds: float = seconds_field(
        120.0, "the time a rasp may take from power on to its first reply"
    )
    shutdown_seconds: float = seconds_field(
        60.0, "the time a rasp may take to shut down before its power is cut"
    )
    disk_settle_seconds: float = seconds_field(
        5.0, "the time between the shutdown of a stack's last rasp and the power cut"
    )
    off_seconds: float = seconds_field(5.0, "the time a power cycle leaves a stack off")
    # Of 22 Pi 3 that booted from the network at the same time, only 1 to 5 succeeded:
    # raspberrypi/firmware#764.
    max_booting: int = Field(
        8,
        ge=1,
        le=10_000,
        description="the maximum number of rasps that boot at the same time, 1 or more",
    )


class InstallSettings(Settings):
    """Time limits and MAC addresses of installs."""

    timeout_seconds: float = seconds_field(
        90.0, "the time an install waits for a rasp after power on", positive=True
    )
    cut_seconds: float = seconds_field(
        3.0, "the time an install leaves a stack off to find its rasps", positive=True, maximum=60
    )
    stagger_seconds: float = seconds_field(
        1.0, "the time between switching on two stacks", maximum=60
    )
    replace_seconds: float = seconds_field(
        900.0,
        "the time a replacement waits for the new board",
        positive=True,
        maximum=86400,
    )
    mac_prefixes: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){0,5}$")], ...],
        Strict(False),
    ] = Field(
        RASPBERRY_PI_MAC_PREFIXES,
        min_length=1,
        description='the prefixes of the rasps\' MAC addresses, in lower case: `["b8:27:eb"]`',
    )


class RemediationSettings(Settings):
    """Actions that the controller takes when an alert fires."""

    power_cycle_dead_stack: bool = Field(
        False, description="`true` to power-cycle a stack if none of its rasps replies"
    )
    power_cycle_dead_rasp: bool = Field(
        False,
        description="`true` to power-cycle a rasp that does not reply, if it has an outlet to"
        " itself",
    )
    reboot_wedged_rasp: bool = Field(
        False, description="`true` to reboot a rasp that replies to ping only"
    )
    max_per_hour: int = Field(
        2, ge=1, le=60, description="the maximum number of remediation orders per hour, 1 to 60"
    )


class PowerSourceSettings(Settings):
    """A table `[power.NAME]`. The power driver defines its other keys."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    driver: str = Field(
        description='the power driver: `"snmp"`, `"http"`, `"command"`, or another installed one'
    )


class StackSettings(Settings):
    """One `[[stacks]]` table."""

    pin: int | None = Field(
        None,
        ge=2,
        le=27,
        description="the BCM number of the relay's pin, 2 to 27"
        " (0 and 1 belong to the HAT's EEPROM), if the stack has a relay",
    )
    outlet: str | None = Field(
        None,
        description="the outlet of the whole stack, if it has no relay: `SOURCE:ADDRESS`,"
        ' for example `"poe:5"`',
    )
    outlets: Annotated[tuple[str, ...] | None, Strict(False)] = Field(
        None,
        description="the outlets of the single slots, in their order, instead of one for the stack:"
        ' for example `["poe:1", "poe:2"]`',
    )
    x: int = Field(ge=0, le=999, description="the column of the stack, 0 at the left")
    y: int = Field(ge=0, le=999, description="the row of the stack, 0 at the top")
    slots: int | None = Field(
        None, ge=1, le=254, description="the number of rasps in this stack, 1 to 254"
    )


class RackSettings(Settings):
    """The whole file."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="the name of the rack in metrics and on pages: at most 63 of the characters"
        " A to Z, a to z, 0 to 9, dot, dash and underscore, starting with a letter or digit",
    )
    slots: int = Field(4, ge=1, le=254, description="the number of rasps in a stack, 1 to 254")
    network: Network = Field(description="a table `[network]`")
    relays: RelayBoard | None = Field(None, description="a table `[relays]`")
    power: dict[str, PowerSourceSettings] = Field({}, description="a table `[power.NAME]`")
    access: AccessSettings = AccessSettings()
    orders: OrderSettings = OrderSettings()
    install: InstallSettings = InstallSettings()
    remediation: RemediationSettings = RemediationSettings()
    stacks: Annotated[tuple[StackSettings, ...], Strict(False)] = Field(
        min_length=1, description="one table `[[stacks]]` for each stack"
    )


def table_of(settings: type[Settings], key: str) -> type[Settings] | None:
    """Return the model of a nested table, or None if the key holds a value."""
    annotation = settings.model_fields[key].annotation
    for model in (annotation, *get_args(annotation)):
        if isinstance(model, type) and issubclass(model, Settings):
            return model
    return None


def markdown_rows(settings: type[Settings] = RackSettings, prefix: str = "") -> Iterator[str]:
    """Yield the rows of the table in a reference page: key, default, description."""
    for key, field in settings.model_fields.items():
        if table := table_of(settings, key):
            has_names = get_origin(field.annotation) is dict
            yield from markdown_rows(table, f"{prefix}{key}.{'NAME.' if has_names else ''}")
        else:
            default = "required" if field.is_required() else _toml(key, field.default)
            yield f"| `{prefix}{key}` | {default} | {field.description} |"


def _toml(key: str, value: object) -> str:
    if value is None and key in RackSettings.model_fields:
        return f"`{key}`"  # the setting of the whole rack
    if value in ("", None):
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"
