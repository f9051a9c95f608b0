"""Contract of power drivers, as tests that any driver can run against itself.

Subclass `PowerDriverContract` in a test module, or `RemoteDriverContract` for a device that may not
respond, and override the fixtures. Each test uses a device, real or simulated, with at least three
outlets that nothing else switches:

    class TestMyDriver(RemoteDriverContract):
        driver_class = MyDriver

        @pytest.fixture
        def settings(self, my_device): ...
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

import pytest

from rack.clock import Moment
from rack.power.driver import AnyPowerDriver
from rack.power.state import SwitchResult
from rack.settings import Settings, table_of

NAME = "contract"
"""Name of the power source in these tests."""

_T = TypeVar("_T")


class _Clock:
    """A clock that advances at each reading, so that the order of times is visible."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = 1000.0

    def __call__(self) -> Moment:
        with self._lock:
            self._seconds += 1.0
            return Moment(self._seconds, self._seconds + 1e9)


class PowerDriverContract:
    """Tests that every power driver passes."""

    driver_class: ClassVar[type[AnyPowerDriver]]
    """The driver under test."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return settings of the driver for a device that responds."""
        raise NotImplementedError("override the fixture `settings`")

    @pytest.fixture
    def addresses(self) -> Sequence[str]:
        """Return at least three normalized addresses of outlets of the device."""
        raise NotImplementedError("override the fixture `addresses`")

    @pytest.fixture
    def other_form(self) -> str | None:
        """Return another form of the first address, or None if there is one form only."""
        return None

    @pytest.fixture
    def invalid_address(self) -> str:
        """Return an address that no device has."""
        raise NotImplementedError("override the fixture `invalid_address`")

    @pytest.fixture
    def supplies_power(self) -> Callable[[str], bool]:
        """Return a function that asks the device, not the driver, whether an outlet is on."""
        raise NotImplementedError("override the fixture `supplies_power`")

    @pytest.fixture
    def driver(self, settings: Settings, addresses: Sequence[str]) -> Iterator[AnyPowerDriver]:
        """Return the driver, with all outlets switched on."""
        driver = self.driver_class(NAME, settings)
        if driver.resets_at_boot:
            driver.start(dict.fromkeys(addresses, True))
        else:
            _assert_switched(driver.switch(dict.fromkeys(addresses, True), _Clock()))
        yield driver
        driver.close()

    def test_each_setting_has_a_description(self) -> None:
        settings_type = self.driver_class.settings_type
        assert settings_type.model_config.get("extra") == "forbid", "unknown keys are not rejected"
        missing = [
            key
            for key, field in settings_type.model_fields.items()
            if not field.description and not table_of(settings_type, key)
        ]
        assert not missing, f"settings without a description: {missing}"

    def test_constructor_starts_no_thread(self, settings: Settings) -> None:
        before = threading.active_count()
        driver = self.driver_class(NAME, settings)
        assert threading.active_count() == before, "the constructor started a thread"
        driver.close()

    def test_address_has_one_form(
        self, settings: Settings, addresses: Sequence[str], other_form: str | None
    ) -> None:
        normalize = self.driver_class.normalize_address
        assert [normalize(settings, address) for address in addresses] == list(addresses)
        if other_form is not None:
            assert normalize(settings, other_form) == addresses[0]

    def test_invalid_address_is_rejected_with_a_fix(
        self, settings: Settings, invalid_address: str
    ) -> None:
        for address in (invalid_address, "two\nlines", "--option"):
            with pytest.raises(ValueError, match=r": use ") as error:
                self.driver_class.normalize_address(settings, address)
            _assert_line(str(error.value))

    def test_driver_reads_each_outlet(
        self, driver: AnyPowerDriver, addresses: Sequence[str]
    ) -> None:
        _assert_read(driver, dict.fromkeys(addresses, True))
        _assert_read(driver, {addresses[1]: True})

    def test_outlet_is_switched_off_and_on(
        self,
        driver: AnyPowerDriver,
        addresses: Sequence[str],
        supplies_power: Callable[[str], bool],
    ) -> None:
        for is_on in (False, True):
            _assert_switched(driver.switch({addresses[0]: is_on}, _Clock()))
            assert supplies_power(addresses[0]) is is_on
            _assert_read(driver, {addresses[0]: is_on})

    def test_other_outlets_keep_their_power(
        self,
        driver: AnyPowerDriver,
        addresses: Sequence[str],
        supplies_power: Callable[[str], bool],
    ) -> None:
        _assert_switched(driver.switch({addresses[1]: False}, _Clock()))
        expected = {address: address != addresses[1] for address in addresses}
        assert {address: supplies_power(address) for address in addresses} == expected
        _assert_read(driver, expected)

    def test_outlets_are_switched_on_and_off_with_one_call(
        self,
        driver: AnyPowerDriver,
        addresses: Sequence[str],
        supplies_power: Callable[[str], bool],
    ) -> None:
        _assert_switched(driver.switch({addresses[0]: False}, _Clock()))
        power = {address: address == addresses[0] for address in addresses}
        _assert_switched(driver.switch(power, _Clock()))
        assert {address: supplies_power(address) for address in addresses} == power

    def test_outlet_that_has_its_power_already_is_no_error(
        self,
        driver: AnyPowerDriver,
        addresses: Sequence[str],
        supplies_power: Callable[[str], bool],
    ) -> None:
        for is_on in (True, False, False):
            _assert_switched(driver.switch({addresses[2]: is_on}, _Clock()))
            assert supplies_power(addresses[2]) is is_on

    def test_calls_without_outlets_return_nothing(self, driver: AnyPowerDriver) -> None:
        assert dict(driver.read([])) == {}
        assert dict(driver.switch({}, _Clock())) == {}

    def test_outlets_keep_their_power_when_the_driver_is_closed(
        self,
        driver: AnyPowerDriver,
        addresses: Sequence[str],
        supplies_power: Callable[[str], bool],
    ) -> None:
        _assert_switched(driver.switch({addresses[0]: False}, _Clock()))
        driver.close()
        driver.close()
        expected = {address: address != addresses[0] for address in addresses}
        assert {address: supplies_power(address) for address in addresses} == expected

    def test_driver_is_used_by_several_threads_one_after_another(
        self, driver: AnyPowerDriver, addresses: Sequence[str]
    ) -> None:
        for is_on in (False, True):
            power = {addresses[0]: is_on}
            _assert_switched(_in_thread(driver.switch, power, _Clock()))
            readings = _in_thread(driver.read, addresses[:1])
            assert readings[addresses[0]].power is is_on


class RemoteDriverContract(PowerDriverContract):
    """Tests of drivers for devices that may not respond, such as those on a network."""

    secrets: ClassVar[Sequence[str]] = ()
    """Credentials in the settings, which no error contains."""

    @pytest.fixture
    def unreachable(self) -> Settings:
        """Return settings for a device that does not respond. A short timeout saves time."""
        raise NotImplementedError("override the fixture `unreachable`")

    @pytest.fixture
    def rejected(self) -> Settings | None:
        """Return settings with credentials that the device rejects, or None if it has none."""
        return None

    def test_outlets_of_an_unreachable_device_are_unknown(
        self, unreachable: Settings, addresses: Sequence[str]
    ) -> None:
        self._assert_all_fail(unreachable, addresses)

    def test_outlets_of_a_device_with_other_credentials_are_unknown(
        self,
        rejected: Settings | None,
        addresses: Sequence[str],
        supplies_power: Callable[[str], bool],
        driver: AnyPowerDriver,
    ) -> None:
        if rejected is not None:
            self._assert_all_fail(rejected, addresses)
        assert all(supplies_power(address) for address in addresses)
        _assert_read(driver, dict.fromkeys(addresses, True))

    def _assert_all_fail(self, settings: Settings, addresses: Sequence[str]) -> None:
        driver = self.driver_class(NAME, settings)
        readings = driver.read(addresses)
        assert list(readings) == list(addresses)
        for address, reading in readings.items():
            assert reading.power is None, f"{address} is {reading.power}, but nothing was read"
            self._assert_error(address, reading.error)
        results = driver.switch(dict.fromkeys(addresses, False), _Clock())
        assert list(results) == list(addresses)
        for address, result in results.items():
            assert result.after is None, f"{address} has a time, but was not switched"
            self._assert_error(address, result.error)
        driver.close()

    def _assert_error(self, address: str, error: str) -> None:
        _assert_line(error)
        assert error.startswith(f"{NAME}:{address} ("), f"{error!r} does not name the outlet first"
        assert error.count(": ") > 1, f"{error!r} has no problem and fix after colons"
        assert not any(secret in error for secret in self.secrets), "an error contains a secret"


def _in_thread(call: Callable[..., _T], *arguments: Any) -> _T:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call, *arguments).result()


def _assert_line(text: str) -> None:
    assert text, "the error is empty"
    assert text.isprintable(), f"{text!r} is not one line"


def _assert_read(driver: AnyPowerDriver, power: Mapping[str, bool]) -> None:
    readings = driver.read(list(power))
    assert list(readings) == list(power), "the readings are not those of the addresses"
    for address, reading in readings.items():
        assert not reading.error, reading.error
        assert reading.power is power[address], f"{address} reads {reading}"
        watts = reading.watts
        assert watts is None or (math.isfinite(watts) and watts >= 0), f"{address}: {watts} W"


def _assert_switched(results: Mapping[str, SwitchResult]) -> None:
    for address, result in results.items():
        assert not result.error, result.error
        assert result.before is not None, f"{address} has no time before"
        assert result.after is not None, f"{address} has no time after"
        assert result.before.monotonic < result.after.monotonic, f"{address}: {result}"
