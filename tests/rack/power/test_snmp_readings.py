"""Interpretation of the values that a switch reports, and settings of the driver `snmp`."""

from typing import Any

import pytest
from pydantic import ValidationError

from rack.power.drivers.snmp import SnmpDriver, interpret
from rack.power.drivers.snmp_settings import SnmpSettings
from rack.power.state import OutletReading

SETTINGS = SnmpSettings(host="10.23.0.2", community_env="COMMUNITY", watts_scale=0.1)


@pytest.mark.parametrize(
    ("values", "reading"),
    [
        ((1, 2, None), OutletReading(True, detail="searching")),
        ((1, 4, 0), OutletReading(True, watts=0.0, detail="fault")),
        ((2, 1, "25"), OutletReading(False, watts=2.5, detail="disabled")),
        ((1, 9, "unknown"), OutletReading(True, detail="9")),
        ((1, None, -5), OutletReading(True)),
    ],
)
def test_values_of_a_port_are_a_reading(values: tuple[Any, Any, Any], reading: object) -> None:
    assert interpret(SETTINGS, *values) == reading


def test_port_that_is_disabled_but_delivers_power_is_not_reported_as_off() -> None:
    reading = interpret(SETTINGS, 2, 3, None)
    assert reading.power is None
    assert "as disabled and as delivering power" in reading.error


@pytest.mark.parametrize(
    ("address", "normalized"),
    [("5", "5"), ("05", "5"), ("1.5", "5"), ("2.5", "2.5"), ("02.48", "2.48")],
)
def test_address_is_a_port_or_a_group_and_a_port(address: str, normalized: str) -> None:
    assert SnmpDriver.normalize_address(SETTINGS, address) == normalized


@pytest.mark.parametrize("address", ["", "0", "0.5", "1.0", "5.", "1.2.3", "gi1/0/5", "٥", "-1"])
def test_other_addresses_are_rejected(address: str) -> None:
    with pytest.raises(ValueError, match="is not a port: use its number, such as 5"):
        SnmpDriver.normalize_address(SETTINGS, address)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "no community: set community_file or community_env"),
        (
            {"community_file": "/c", "community_env": "C"},
            "community_file and community_env are set: remove one of them",
        ),
        ({"community_file": "c"}, "String should match pattern"),
        ({"community_file": "/c", "user": "admin"}, 'for version 3: set version = "3"'),
        ({"version": "3", "user": "admin"}, "no user or no authentication password"),
        ({"version": "3", "auth_password_file": "/a"}, "no user or no authentication password"),
        (
            {"version": "3", "user": "u", "auth_password_env": "A", "community_env": "C"},
            "a community is for version 2c: remove it",
        ),
        ({"community_env": "C", "off_value": 1}, "on_value and off_value are equal"),
        ({"community_env": "C", "host": "switch.example.org"}, "not an IP address"),
        ({"community_env": "C", "switch_oid": "1.3.6.1"}, "not an object identifier with {port}"),
        ({"community_env": "C", "switch_oid": ""}, "at least 1 character"),
        ({"community_env": "C", "watts_oid": "port {port}"}, "not an object identifier"),
    ],
)
def test_settings_that_do_not_fit_together_are_rejected(
    settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError) as error:
        SnmpSettings.model_validate({"host": "10.23.0.2"} | settings)
    assert problem in str(error.value)
