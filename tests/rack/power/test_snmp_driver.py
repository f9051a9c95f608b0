"""Power driver `snmp` with Debian's snmpd as a PoE switch."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rack.clock import Moment
from rack.power.contract import RemoteDriverContract
from rack.power.drivers.snmp import SnmpDriver
from rack.power.drivers.snmp_settings import SnmpSettings
from rack.power.state import OutletReading, SwitchResult
from tests.helpers.waiting import wait_until
from virtual_rack.faults import Fault
from virtual_rack.outlets.poe_switch import PoeSwitch, SnmpCredentials

pytestmark = pytest.mark.process

PORTS = ("1", "2", "3", "2.1")
CREDENTIALS = SnmpCredentials()
CISCO_MILLIWATTS = "1.3.6.1.4.1.9.9.402.1.2.1.9.{group}.{port}"


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[PoeSwitch]:
    with PoeSwitch(PORTS, tmp_path / "switch") as running:
        yield running


@pytest.fixture
def v2c(switch: PoeSwitch, tmp_path: Path) -> SnmpSettings:
    return settings_for(switch, tmp_path)


@pytest.fixture
def driver(v2c: SnmpSettings) -> Iterator[SnmpDriver]:
    yield from closing(SnmpDriver("poe", v2c))


def settings_for(switch: PoeSwitch, folder: Path, **options: Any) -> SnmpSettings:
    """Return settings for version 2c, with a community in a file."""
    community = folder / "community"
    if not community.exists():
        community.write_text(f"{CREDENTIALS.community}\n")
    defaults = {
        "host": switch.host,
        "port": switch.port,
        "community_file": str(community),
        "timeout_seconds": 20.0,
    }
    return SnmpSettings.model_validate(defaults | options)


def settings_v3(switch: PoeSwitch, folder: Path, **options: Any) -> SnmpSettings:
    """Return settings for version 3, with passwords in files."""
    (folder / "auth").write_text(CREDENTIALS.auth_password)
    (folder / "privacy").write_text(CREDENTIALS.privacy_password)
    defaults = {
        "version": "3",
        "user": CREDENTIALS.user,
        "community_file": "",
        "auth_password_file": str(folder / "auth"),
        "privacy_password_file": str(folder / "privacy"),
    }
    return settings_for(switch, folder, **(defaults | options))


def closing(driver: SnmpDriver) -> Iterator[SnmpDriver]:
    yield driver
    driver.close()


def now() -> Moment:
    return Moment(time.monotonic(), time.time())


def switch_port(driver: SnmpDriver, port: str, *, is_on: bool) -> SwitchResult:
    return driver.switch({port: is_on}, now)[port]


class SnmpContract(RemoteDriverContract):
    """The contract, on a switch that both versions use."""

    driver_class = SnmpDriver
    secrets = (
        CREDENTIALS.community,
        CREDENTIALS.auth_password,
        CREDENTIALS.privacy_password,
        "wrong-password",
    )

    @pytest.fixture
    def addresses(self) -> Sequence[str]:
        return PORTS

    @pytest.fixture
    def other_form(self) -> str:
        return "1.01"

    @pytest.fixture
    def invalid_address(self) -> str:
        return "0"

    @pytest.fixture
    def supplies_power(self, switch: PoeSwitch) -> Callable[[str], bool]:
        return switch.outlets.is_on

    @pytest.fixture
    def unreachable(self, settings: SnmpSettings) -> SnmpSettings:
        return settings.model_copy(update={"port": 1, "timeout_seconds": 1.0})


class TestSnmpV2c(SnmpContract):
    @pytest.fixture
    def settings(self, v2c: SnmpSettings) -> SnmpSettings:
        return v2c

    @pytest.fixture
    def rejected(self, switch: PoeSwitch, tmp_path: Path) -> SnmpSettings:
        (tmp_path / "wrong").write_text("wrong-password")
        return settings_for(
            switch, tmp_path, community_file=str(tmp_path / "wrong"), timeout_seconds=1.0
        )


class TestSnmpV3(SnmpContract):
    @pytest.fixture
    def settings(self, switch: PoeSwitch, tmp_path: Path) -> SnmpSettings:
        return settings_v3(switch, tmp_path)

    @pytest.fixture
    def rejected(self, switch: PoeSwitch, tmp_path: Path) -> SnmpSettings:
        (tmp_path / "wrong").write_text("wrong-password")
        return settings_v3(switch, tmp_path, auth_password_file=str(tmp_path / "wrong"))


@pytest.mark.verify
@pytest.mark.parametrize("auth", ["md5", "sha", "sha224", "sha256", "sha384", "sha512"])
def test_version_3_has_these_authentication_protocols(tmp_path: Path, auth: str) -> None:
    name = {"md5": "MD5", "sha": "SHA"}.get(auth, f"SHA-{auth[3:]}")
    credentials = SnmpCredentials(auth_protocol=name, privacy_password="")
    with PoeSwitch(PORTS, tmp_path / "switch", credentials=credentials) as switch:
        settings = settings_v3(switch, tmp_path, auth_protocol=auth, privacy_password_file="")
        driver = SnmpDriver("poe", settings)
        assert driver.read(["2"])["2"].error == ""
        assert switch_port(driver, "2", is_on=False).error == ""
        assert not switch.outlets.is_on("2")
        driver.close()


@pytest.mark.verify
@pytest.mark.parametrize("privacy", ["des", "aes", "aes192", "aes256"])
def test_version_3_has_these_privacy_protocols(tmp_path: Path, privacy: str) -> None:
    name = {"des": "DES", "aes": "AES"}.get(privacy, f"AES-{privacy[3:]}")
    credentials = SnmpCredentials(privacy_protocol=name)
    with PoeSwitch(PORTS, tmp_path / "switch", credentials=credentials) as switch:
        driver = SnmpDriver("poe", settings_v3(switch, tmp_path, privacy_protocol=privacy))
        assert switch_port(driver, "3", is_on=False).error == ""
        assert not switch.outlets.is_on("3")
        driver.close()


def test_status_of_a_port_is_its_detail(driver: SnmpDriver) -> None:
    switch_port(driver, "2", is_on=False)
    readings = driver.read(["1", "2"])
    assert readings["1"] == OutletReading(True, detail="delivering power")
    assert readings["2"] == OutletReading(False, detail="disabled")


def test_watts_come_from_the_object_of_the_vendor(switch: PoeSwitch, tmp_path: Path) -> None:
    settings = settings_for(
        switch, tmp_path, watts_oid=CISCO_MILLIWATTS, watts_scale=0.001, status_oid=""
    )
    driver = SnmpDriver("poe", settings)
    switch_port(driver, "2.1", is_on=False)
    readings = driver.read(["2.1", "3"])
    assert readings["2.1"] == OutletReading(False, watts=0.0)
    assert readings["3"] == OutletReading(True, watts=3.0)
    driver.close()


def test_48_ports_are_read_and_switched(tmp_path: Path) -> None:
    ports = [str(port) for port in range(1, 49)]
    with PoeSwitch(ports, tmp_path / "switch") as switch:
        driver = SnmpDriver("poe", settings_for(switch, tmp_path))
        power = {port: int(port) % 2 == 0 for port in ports}
        results = driver.switch(power, now)
        assert {port: result.error for port, result in results.items()} == dict.fromkeys(ports, "")
        assert {port: switch.outlets.is_on(port) for port in ports} == power
        assert {port: reading.power for port, reading in driver.read(ports).items()} == power
        driver.close()


def test_port_that_the_switch_does_not_have_is_unknown(driver: SnmpDriver) -> None:
    readings = driver.read(["1", "7"])
    assert readings["1"].power is True
    assert readings["7"].power is None
    assert readings["7"].error == (
        "poe:7 (snmp 127.0.0.1): the switch has no such port: correct the address or switch_oid"
    )
    error = switch_port(driver, "7", is_on=False).error
    assert "allow these credentials to write, and check the address and switch_oid" in error


def test_community_that_may_only_read_cannot_switch(switch: PoeSwitch, tmp_path: Path) -> None:
    (tmp_path / "community").write_text(CREDENTIALS.read_community)
    driver = SnmpDriver("poe", settings_for(switch, tmp_path))
    assert driver.read(["1"])["1"].power is True
    assert switch_port(driver, "1", is_on=False).error == (
        "poe:1 (snmp 127.0.0.1): the switch rejected the command (noAccess):"
        " allow these credentials to write, and check the address and switch_oid"
    )
    assert switch.outlets.is_on("1")
    driver.close()


def test_value_that_the_switch_rejects_names_the_setting(switch: PoeSwitch, tmp_path: Path) -> None:
    driver = SnmpDriver("poe", settings_for(switch, tmp_path, off_value=0))
    assert switch_port(driver, "1", is_on=False).error == (
        "poe:1 (snmp 127.0.0.1): the switch rejected the command (wrongValue):"
        " correct on_value and off_value"
    )
    assert driver.read(["1"])["1"].power is True
    driver.close()


def test_value_that_is_neither_on_nor_off_is_unknown(switch: PoeSwitch, tmp_path: Path) -> None:
    driver = SnmpDriver("poe", settings_for(switch, tmp_path, on_value=5, off_value=6))
    reading = driver.read(["1"])["1"]
    assert reading.power is None
    assert "the switch reports 1, which is neither on_value nor off_value" in reading.error
    driver.close()


def test_port_that_refuses_does_not_keep_the_others_from_switching(
    switch: PoeSwitch, driver: SnmpDriver
) -> None:
    switch.inject_fault(Fault.OUTLET_REFUSES, ["2"])
    results = driver.switch(dict.fromkeys(PORTS, False), now)
    assert [port for port, result in results.items() if result.error] == ["2"]
    assert "the switch rejected the command (genErr)" in results["2"].error
    assert [port for port in PORTS if switch.outlets.is_on(port)] == ["2"]


def test_port_that_lies_is_found_by_reading_it_back(switch: PoeSwitch, tmp_path: Path) -> None:
    switch.inject_fault(Fault.OUTLET_LIES, ["2"])
    driver = SnmpDriver("poe", settings_for(switch, tmp_path, timeout_seconds=2.0))
    results = driver.switch({"1": False, "2": False}, now)
    assert results["1"].error == ""
    assert results["2"].after is None
    assert results["2"].error == (
        "poe:2 (snmp 127.0.0.1): the device accepted the command `off`, but the outlet is still on:"
        " check the device"
    )
    driver.close()


def test_slow_switch_is_used_although_requests_are_repeated(
    switch: PoeSwitch, tmp_path: Path
) -> None:
    switch.inject_fault(Fault.OUTLET_SLOW)
    driver = SnmpDriver("poe", settings_for(switch, tmp_path))
    assert switch_port(driver, "3", is_on=False).error == ""
    assert not switch.outlets.is_on("3")
    driver.close()


def test_switch_is_used_again_when_it_is_back(switch: PoeSwitch, tmp_path: Path) -> None:
    for settings in (settings_for(switch, tmp_path), settings_v3(switch, tmp_path)):
        driver = SnmpDriver("poe", settings.model_copy(update={"timeout_seconds": 3.0}))
        wait_until_readable(driver)
        switch.inject_fault(Fault.OUTLET_AWAY)
        readings = driver.read(PORTS)
        assert {port: reading.power for port, reading in readings.items()} == dict.fromkeys(PORTS)
        assert "no reply within 3 s: check the switch, its address and the" in readings["1"].error
        switch.inject_fault(Fault.OUTLET_RESTARTS)
        switch.clear_fault(Fault.OUTLET_AWAY)
        wait_until_readable(driver)
        driver.close()


def wait_until_readable(driver: SnmpDriver) -> None:
    wait_until(lambda: not any(reading.error for reading in driver.read(PORTS).values()))


def test_new_community_needs_no_restart(switch: PoeSwitch, tmp_path: Path) -> None:
    (tmp_path / "community").write_text("old-community")
    driver = SnmpDriver("poe", settings_for(switch, tmp_path, timeout_seconds=2.0))
    assert driver.read(["1"])["1"].power is None
    (tmp_path / "community").write_text(CREDENTIALS.community)
    wait_until(lambda: driver.read(["1"])["1"].power is True)
    driver.close()


def test_missing_file_with_the_community_is_reported(v2c: SnmpSettings, tmp_path: Path) -> None:
    path = Path(v2c.community_file)
    path.unlink()
    driver = SnmpDriver("poe", v2c)
    error = (
        f"poe:1 (snmp 127.0.0.1): community_file: {path} cannot be read: No such file or directory:"
        " create a file that the user pirack can read"
    )
    assert driver.read(["1"]) == {"1": OutletReading(None, error=error)}
    assert switch_port(driver, "1", is_on=False).error == error
