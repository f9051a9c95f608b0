"""Virtual Shelly and Tasmota devices, used with requests."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from requests.auth import HTTPDigestAuth

from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from virtual_rack.faults import Fault
from virtual_rack.outlets.device import SLOW_SECONDS
from virtual_rack.outlets.http_device import HttpDevice
from virtual_rack.outlets.shelly import Shelly
from virtual_rack.outlets.tasmota import Tasmota

PASSWORD = "secret"
DIGEST = HTTPDigestAuth("admin", PASSWORD)


@pytest.fixture
def devices() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def shelly(devices: ExitStack) -> Shelly:
    return devices.enter_context(Shelly(["0", "1"], PASSWORD))


@pytest.fixture
def tasmota(devices: ExitStack) -> Tasmota:
    return devices.enter_context(Tasmota(["1", "2"], PASSWORD))


def call(shelly: Shelly, method: str, auth: Any = DIGEST, **parameters: str) -> requests.Response:
    return requests.get(
        f"http://{shelly.host}:{shelly.port}/rpc/{method}",
        params=parameters,
        auth=auth,
        timeout=TIMEOUT_SECONDS,
    )


def command(tasmota: Tasmota, text: str, password: str = PASSWORD) -> requests.Response:
    return requests.get(
        f"http://{tasmota.host}:{tasmota.port}/cm",
        params={"cmnd": text, "user": "admin", "password": password},
        timeout=TIMEOUT_SECONDS,
    )


def test_switch_of_a_shelly_is_switched(shelly: Shelly) -> None:
    assert call(shelly, "Switch.Set", id="1", on="false").json() == {"was_on": True}
    assert [shelly.outlets.is_on(id_) for id_ in ("0", "1")] == [True, False]
    status = call(shelly, "Switch.GetStatus", id="1").json()
    assert (status["output"], status["apower"]) == (False, 0.0)
    status = call(shelly, "Switch.GetStatus", id="0").json()
    assert (status["output"], status["apower"]) == (True, 3.0)


def test_shelly_accepts_json_rpc(shelly: Shelly) -> None:
    url = f"http://{shelly.host}:{shelly.port}/rpc"
    request = {"id": 7, "method": "Switch.Set", "params": {"id": 0, "on": False}}
    reply = requests.post(url, json=request, auth=DIGEST, timeout=TIMEOUT_SECONDS).json()
    assert (reply["id"], reply["result"]) == (7, {"was_on": True})
    request = {"id": 8, "method": "Switch.Set", "params": {"id": 5, "on": False}}
    reply = requests.post(url, json=request, auth=DIGEST, timeout=TIMEOUT_SECONDS).json()
    assert reply["error"] == {"code": -105, "message": "Argument 'id', value 5 not found!"}


@pytest.mark.parametrize(
    ("method", "parameters", "status", "message"),
    [
        ("Switch.GetStatus", {"id": "9"}, 500, "Argument 'id', value 9 not found!"),
        ("Switch.Set", {"id": "0"}, 500, "Missing required argument 'on'!"),
        ("Switch.Set", {"id": "0", "on": "maybe"}, 500, "'on', value maybe is of wrong type!"),
        ("Switch.Explode", {"id": "0"}, 404, "No handler for Switch.Explode"),
    ],
)
def test_invalid_call_of_a_shelly_is_rejected(
    shelly: Shelly, method: str, parameters: dict[str, str], status: int, message: str
) -> None:
    response = call(shelly, method, **parameters)
    assert response.status_code == status
    assert message in response.json()["message"]


@pytest.mark.parametrize("auth", [None, HTTPDigestAuth("admin", "x"), ("admin", PASSWORD)])
def test_shelly_requires_the_password_by_digest(shelly: Shelly, auth: Any) -> None:
    response = call(shelly, "Switch.Set", auth, id="0", on="false")
    assert response.status_code == 401
    assert "algorithm=SHA-256" in response.headers["WWW-Authenticate"]
    assert shelly.outlets.is_on("0")


def test_recorded_authorization_is_not_accepted_again(shelly: Shelly) -> None:
    first = call(shelly, "Switch.Set", id="0", on="false")
    shelly.outlets.set("0", power=True)
    headers = {"Authorization": first.request.headers["Authorization"]}
    assert first.url is not None
    replayed = requests.get(first.url, headers=headers, timeout=TIMEOUT_SECONDS)
    assert (first.status_code, replayed.status_code) == (200, 401)
    assert shelly.outlets.is_on("0")


def test_shelly_describes_itself_without_a_password(shelly: Shelly) -> None:
    url = f"http://{shelly.host}:{shelly.port}/shelly"
    info = requests.get(url, timeout=TIMEOUT_SECONDS).json()
    assert (info["gen"], info["auth_en"]) == (2, True)


def test_relay_of_a_tasmota_is_switched(tasmota: Tasmota) -> None:
    assert command(tasmota, "Power2 Off").json() == {"POWER2": "OFF"}
    assert [tasmota.outlets.is_on(relay) for relay in ("1", "2")] == [True, False]
    assert command(tasmota, "power2").json() == {"POWER2": "OFF"}
    state = command(tasmota, "Status 11").json()["StatusSTS"]
    assert (state["POWER1"], state["POWER2"]) == ("ON", "OFF")
    assert command(tasmota, "Status 10").json()["StatusSNS"]["ENERGY"]["Power"] == [3.0, 0.0]


def test_relay_of_a_tasmota_with_one_relay_has_no_number(devices: ExitStack) -> None:
    plug = devices.enter_context(Tasmota(["1"]))
    assert command(plug, "Power1 Off").json() == {"POWER": "OFF"}
    assert command(plug, "Status 8").json()["StatusSNS"]["ENERGY"]["Power"] == 0.0


def test_unknown_command_of_a_tasmota_is_rejected(tasmota: Tasmota) -> None:
    assert command(tasmota, "Explode").json() == {"Command": "Unknown"}
    assert command(tasmota, "Power3 Off").json()["Command"] == "Error"


def test_tasmota_requires_the_password(tasmota: Tasmota) -> None:
    response = command(tasmota, "Power1 Off", "wrong")
    assert (response.status_code, "WARNING" in response.json()) == (401, True)
    assert tasmota.outlets.is_on("1")


def switch_off_shelly(device: Any) -> requests.Response:
    return call(device, "Switch.Set", id="0", on="false")


def switch_off_tasmota(device: Any) -> requests.Response:
    return command(device, "Power1 Off")


SwitchOff = Callable[[HttpDevice], requests.Response]


@pytest.fixture(params=["shelly", "tasmota"])
def faulty(
    request: pytest.FixtureRequest, shelly: Shelly, tasmota: Tasmota
) -> tuple[HttpDevice, str, SwitchOff]:
    """A device, the address of its first outlet, and a function that switches this outlet off."""
    if request.param == "shelly":
        return shelly, "0", switch_off_shelly
    return tasmota, "1", switch_off_tasmota


Faulty = tuple[HttpDevice, str, SwitchOff]


def test_refusing_outlet_stays_on(faulty: Faulty) -> None:
    device, address, switch_off = faulty
    device.inject_fault(Fault.OUTLET_REFUSES, [address])
    response = switch_off(device)
    assert response.status_code == 500 or response.json() == {"POWER1": "ON"}
    assert device.outlets.is_on(address)


def test_lying_outlet_accepts_and_stays_on(faulty: Faulty) -> None:
    device, address, switch_off = faulty
    device.inject_fault(Fault.OUTLET_LIES, [address])
    assert switch_off(device).json() in ({"was_on": True}, {"POWER1": "OFF"})
    assert device.outlets.is_on(address)


def test_slow_device_delays_its_replies(faulty: Faulty) -> None:
    device, _, switch_off = faulty
    device.inject_fault(Fault.OUTLET_SLOW)
    started_at = time.monotonic()
    switch_off(device)
    assert time.monotonic() - started_at >= SLOW_SECONDS


def test_device_that_is_away_refuses_connections_and_returns_at_the_same_port(
    faulty: Faulty,
) -> None:
    device, address, switch_off = faulty
    port = device.port
    device.inject_fault(Fault.OUTLET_AWAY)
    with pytest.raises(requests.ConnectionError):
        switch_off(device)
    assert device.outlets.is_on(address)
    device.clear_fault()
    assert switch_off(device).status_code == 200
    assert device.port == port


def test_open_connection_ends_while_the_device_is_away(tasmota: Tasmota) -> None:
    with requests.Session() as session:
        url = f"http://{tasmota.host}:{tasmota.port}/cm?cmnd=Power1&user=admin&password={PASSWORD}"
        assert session.get(url, timeout=TIMEOUT_SECONDS).json() == {"POWER1": "ON"}
        tasmota.inject_fault(Fault.OUTLET_AWAY)
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=TIMEOUT_SECONDS)


def test_device_returns_after_a_restart(devices: ExitStack) -> None:
    plug = devices.enter_context(Tasmota(["1"], restart_seconds=0.2))
    plug.inject_fault(Fault.OUTLET_RESTARTS)
    wait_until(lambda: not plug.is_away)
    assert command(plug, "Power1 Off").json() == {"POWER": "OFF"}


def test_device_with_other_credentials_rejects_its_own(faulty: Faulty) -> None:
    device, _, switch_off = faulty
    device.inject_fault(Fault.OUTLET_CREDENTIALS)
    assert switch_off(device).status_code == 401
    device.clear_fault()
    assert switch_off(device).status_code == 200
