"""Power driver `http` with virtual Shelly and Tasmota devices."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from rack.clock import Moment
from rack.power.contract import RemoteDriverContract
from rack.power.drivers.http_api import HttpDriver, HttpSettings
from rack.power.state import OutletReading
from rack.settings import Settings
from virtual_rack.faults import Fault
from virtual_rack.hostile_exporter import Attack, HostileExporter
from virtual_rack.outlets.http_device import HttpDevice
from virtual_rack.outlets.shelly import Shelly
from virtual_rack.outlets.tasmota import Tasmota

KINDS: Mapping[str, type[Shelly] | type[Tasmota]] = {"shelly": Shelly, "tasmota": Tasmota}
PASSWORD = 'pass word&"'


def settings_for(api: str, folder: Path, password: str = PASSWORD, **options: Any) -> HttpSettings:
    path = folder / f"password-{len(password)}"
    path.write_text(f"{password}\n")
    defaults = {"api": api, "password_file": str(path), "timeout_seconds": 20.0}
    return HttpSettings.model_validate(defaults | options)


def addresses_of(device: HttpDevice) -> list[str]:
    host = f"{device.host}:{device.port}"
    return [host, *(f"{host}/{channel}" for channel in device.outlets.addresses[1:])]


def now() -> Moment:
    return Moment(time.monotonic(), time.time())


class HttpContract(RemoteDriverContract):
    driver_class = HttpDriver
    secrets = (PASSWORD, "wrong-password")
    api: str

    @pytest.fixture
    def device(self) -> Iterator[HttpDevice]:
        channels = ["0", "1", "2"] if self.api == "shelly" else ["1", "2", "3"]
        with KINDS[self.api](channels, PASSWORD) as device:
            yield device

    @pytest.fixture
    def settings(self, tmp_path: Path) -> HttpSettings:
        return settings_for(self.api, tmp_path)

    @pytest.fixture
    def addresses(self, device: HttpDevice) -> Sequence[str]:
        return addresses_of(device)

    @pytest.fixture
    def other_form(self, device: HttpDevice) -> str:
        return f"{device.host}:{device.port}/{device.outlets.addresses[0]}"

    @pytest.fixture
    def invalid_address(self) -> str:
        return "plug.example.org"

    @pytest.fixture
    def supplies_power(self, device: HttpDevice, addresses: Sequence[str]) -> Callable[[str], bool]:
        channels = dict(zip(addresses, device.outlets.addresses, strict=True))
        return lambda address: device.outlets.is_on(channels[address])

    @pytest.fixture
    def rejected(self, tmp_path: Path) -> HttpSettings:
        return settings_for(self.api, tmp_path, password="wrong-password")

    def test_outlets_of_an_unreachable_device_are_unknown(
        self, unreachable: Settings, addresses: Sequence[str]
    ) -> None:
        self._assert_all_fail(unreachable, ["127.0.0.1:1", "127.0.0.1:1/2"])

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> HttpSettings:
        return settings_for(self.api, tmp_path, timeout_seconds=1.0)

    def test_watts_of_each_channel_are_measured(
        self, settings: HttpSettings, device: HttpDevice, addresses: Sequence[str]
    ) -> None:
        device.outlets.set(device.outlets.addresses[1], power=False)
        readings = HttpDriver("strip", settings).read(addresses)
        assert [reading.watts for reading in readings.values()] == [3.0, 0.0, 3.0]

    def test_password_that_is_missing_is_named(
        self, addresses: Sequence[str], device: HttpDevice
    ) -> None:
        driver = HttpDriver("strip", HttpSettings.model_validate({"api": self.api}))
        results = driver.switch({addresses[0]: False}, now)
        assert results[addresses[0]].error == (
            f"strip:{addresses[0]} (http {self.api}): the device requires a password:"
            " set password_file or password_env"
        )
        assert device.outlets.is_on(device.outlets.addresses[0])

    def test_device_without_a_password_is_used(self, addresses: Sequence[str]) -> None:
        channels = ["0", "1"] if self.api == "shelly" else ["1", "2"]
        with KINDS[self.api](channels) as device:
            driver = HttpDriver("strip", HttpSettings.model_validate({"api": self.api}))
            address = addresses_of(device)[1]
            assert driver.switch({address: False}, now)[address].error == ""
            assert [device.outlets.is_on(channel) for channel in channels] == [True, False]

    def test_channel_that_the_device_does_not_have_is_unknown(
        self, settings: HttpSettings, device: HttpDevice, addresses: Sequence[str]
    ) -> None:
        driver = HttpDriver("strip", settings)
        missing = f"{device.host}:{device.port}/9"
        readings = driver.read([missing, addresses[1]])
        assert readings[missing].power is None
        assert "correct the address" in readings[missing].error
        assert readings[addresses[1]].power is True
        assert "correct the address" in driver.switch({missing: False}, now)[missing].error

    def test_channel_that_lies_is_found_by_reading_it_back(
        self, tmp_path: Path, device: HttpDevice, addresses: Sequence[str]
    ) -> None:
        device.inject_fault(Fault.OUTLET_LIES, [device.outlets.addresses[1]])
        driver = HttpDriver("strip", settings_for(self.api, tmp_path, timeout_seconds=3.0))
        results = driver.switch(dict.fromkeys(addresses, False), now)
        assert [address for address, result in results.items() if result.error] == [addresses[1]]
        assert "accepted the command `off`, but the outlet is still on" in (
            results[addresses[1]].error
        )

    def test_channel_that_refuses_does_not_keep_the_others_from_switching(
        self, tmp_path: Path, device: HttpDevice, addresses: Sequence[str]
    ) -> None:
        device.inject_fault(Fault.OUTLET_REFUSES, [device.outlets.addresses[0]])
        driver = HttpDriver("strip", settings_for(self.api, tmp_path, timeout_seconds=3.0))
        results = driver.switch(dict.fromkeys(addresses, False), now)
        assert [address for address, result in results.items() if result.error] == [addresses[0]]
        assert [device.outlets.is_on(channel) for channel in device.outlets.addresses] == [
            True,
            False,
            False,
        ]

    def test_device_that_is_away_does_not_affect_another_one(
        self, settings: HttpSettings, device: HttpDevice, addresses: Sequence[str]
    ) -> None:
        first = device.outlets.addresses[:2]
        with KINDS[self.api](list(first), PASSWORD) as other:
            device.inject_fault(Fault.OUTLET_AWAY)
            others = addresses_of(other)
            results = HttpDriver("strip", settings).switch(
                dict.fromkeys([*addresses, *others], False), now
            )
            assert all(results[address].error for address in addresses)
            assert not any(results[address].error for address in others)
            assert not any(other.outlets.is_on(channel) for channel in first)

    def test_server_that_is_no_such_device_is_unknown(self, settings: HttpSettings) -> None:
        for body in (b"<html>", b"[]", b"{}", b'{"POWER1": true}', b"\xff", b"[" * 60_000):
            with server_returning(body) as address:
                readings = HttpDriver("strip", settings).read([address])
            assert readings[address].power is None
            assert readings[address].error

    @pytest.mark.parametrize("attack", [Attack.ENDLESS_BODY, Attack.SLOW_DRIP, Attack.REDIRECT])
    def test_hostile_server_is_unknown(self, tmp_path: Path, attack: Attack) -> None:
        requests: list[str] = []
        with server_returning(b'{"output": true}', requests) as target:
            server = HostileExporter("127.0.0.1", 0, [attack], f"http://{target}/")
            server.start()
            address = f"127.0.0.1:{server.port}"
            settings = settings_for(self.api, tmp_path, timeout_seconds=2.0)
            reading = HttpDriver("strip", settings).read([address])[address]
            server.close()
        assert reading.power is None
        assert reading.error.startswith(f"strip:{address} (http {self.api}): ")
        assert requests == []


class TestShelly(HttpContract):
    api = "shelly"

    def test_switch_that_refuses_has_another_fix_than_one_that_does_not_exist(
        self, settings: HttpSettings, device: HttpDevice, addresses: Sequence[str]
    ) -> None:
        device.inject_fault(Fault.OUTLET_REFUSES)
        missing = f"{device.host}:{device.port}/9"
        results = HttpDriver("strip", settings).switch({addresses[0]: False, missing: False}, now)
        assert [result.error.rpartition("device rejected ")[2] for result in results.values()] == [
            "Switch.Set (Failed precondition!): check the device",
            "Switch.Set (Argument 'id', value 9 not found!): correct the address",
        ]

    def test_weaker_authentication_is_rejected(self, settings: HttpSettings) -> None:
        challenge = 'Digest qop="auth", realm="r", nonce="n", algorithm=MD5'
        requests: list[str] = []
        with server_returning(b"{}", requests, challenge=challenge) as address:
            error = HttpDriver("strip", settings).read([address])[address].error
        assert "the device asks for another authentication than digest with SHA-256" in error
        assert len(requests) == 1


class TestTasmota(HttpContract):
    api = "tasmota"

    def test_sum_of_several_relays_is_not_reported_for_one(self, settings: HttpSettings) -> None:
        replies = {
            "Status 11": {"StatusSTS": {"POWER1": "ON", "POWER2": "OFF"}},
            "Status 10": {"StatusSNS": {"ENERGY": {"Power": 12}}},
        }
        assert read_from(replies, settings) == OutletReading(True)

    def test_device_without_a_meter_has_no_watts(self, settings: HttpSettings) -> None:
        replies = {
            "Status 11": {"StatusSTS": {"POWER": "OFF"}},
            "Status 10": {"StatusSNS": {"Time": "2026-11-29T03:40:00"}},
        }
        assert read_from(replies, settings) == OutletReading(False)

    def test_wrong_password_of_old_versions_is_reported(self, settings: HttpSettings) -> None:
        replies = {"Status 11": {"WARNING": "Need user=<username>&password=<password>"}}
        assert "the device rejected the password" in read_from(replies, settings).error


def read_from(replies: Mapping[str, object], settings: HttpSettings) -> OutletReading:
    """Read from a server with these replies to commands."""

    def body_of(path: str) -> bytes:
        command = path.rpartition("cmnd=")[2].replace("+", " ")
        return json.dumps(replies[command]).encode()

    with server_returning(body_of) as address:
        return HttpDriver("strip", settings).read([address])[address]


@contextmanager
def server_returning(
    body: bytes | Callable[[str], bytes],
    requests: list[str] | None = None,
    *,
    challenge: str = "",
) -> Iterator[str]:
    """Run a server that returns the same to all requests. Yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if requests is not None:
                requests.append(self.path)
            content = body if isinstance(body, bytes) else body(self.path)
            self.send_response(401 if challenge else 200)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


SHELLY = HttpSettings(api="shelly")
TASMOTA = HttpSettings(api="tasmota")


@pytest.mark.parametrize(
    ("settings", "address", "normalized"),
    [
        (SHELLY, "10.23.0.31", "10.23.0.31"),
        (SHELLY, "10.23.0.31:80/0", "10.23.0.31"),
        (SHELLY, "10.23.0.31/01", "10.23.0.31/1"),
        (SHELLY, "[FD00::1]:8080/3", "[fd00::1]:8080/3"),
        (TASMOTA, "10.23.0.31/1", "10.23.0.31"),
        (TASMOTA, "10.23.0.31:081/2", "10.23.0.31:81/2"),
    ],
)
def test_address_has_one_form(settings: HttpSettings, address: str, normalized: str) -> None:
    assert HttpDriver.normalize_address(settings, address) == normalized


@pytest.mark.parametrize(
    "address",
    ["", "plug", "10.23.0", "10.23.0.31/", "10.23.0.31:0", "10.23.0.31:99999", "fd00::1",
     "[10.23.0.31]", "http://10.23.0.31", "10.23.0.31/1/2", "10.23.0.31/-1"],
)  # fmt: skip
def test_other_addresses_are_rejected(address: str) -> None:
    with pytest.raises(ValueError, match=r"is not the address of a plug: use its IP address"):
        HttpDriver.normalize_address(SHELLY, address)


def test_channel_before_the_first_one_is_rejected() -> None:
    with pytest.raises(ValueError, match="has an invalid channel: use 1 to 63"):
        HttpDriver.normalize_address(TASMOTA, "10.23.0.31/0")


def test_password_in_a_file_and_a_variable_is_rejected() -> None:
    with pytest.raises(ValidationError, match="password_file and password_env are set"):
        HttpSettings(api="shelly", password_file="/p", password_env="P")
