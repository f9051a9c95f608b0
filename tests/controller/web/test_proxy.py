"""Tests of a controller with and without an HTTPS proxy."""

from pathlib import Path

import pytest
import requests

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from rack.database import Database
from tests.controller.rack_process import ControllerProcess, RackProcess
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until

pytestmark = pytest.mark.process

FORWARDED = {
    "X-Forwarded-For": "10.23.0.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "localhost",
}


@pytest.fixture
def rack_process(tmp_path: Path) -> RackProcess:
    rack_process = RackProcess(tmp_path, contact="normally_closed")
    rack_process.state_folder.mkdir()
    AccessControl(Database(rack_process.state_folder / "pirack.db")).users.add(
        "vera", Role.ADMIN, "a viewer's password"
    )
    return rack_process


def start_controller(rack_process: RackProcess, *arguments: str) -> ControllerProcess:
    port = free_port()
    process = rack_process._start(
        "controller",
        [*rack_process.controller_arguments(port), "--anonymous", "none", *arguments],
        {},
    )
    controller = ControllerProcess(process, port, rack_process.folder / "controller.log")
    wait_until(controller.is_ready)
    return controller


def test_forwarded_headers_of_the_proxy_are_used(rack_process: RackProcess) -> None:
    try:
        url = start_controller(rack_process, "--proxy", "127.0.0.1").url
        login = requests.get(f"{url}/login", headers=FORWARDED, timeout=TIMEOUT_SECONDS)
        assert "Secure" in login.headers["Set-Cookie"]
        metrics = requests.get(
            f"{url}/metrics", headers=FORWARDED, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
        assert metrics.status_code == 302
    finally:
        rack_process.close()


def test_forwarded_headers_are_ignored_without_a_proxy(rack_process: RackProcess) -> None:
    try:
        url = start_controller(rack_process).url
        login = requests.get(f"{url}/login", headers=FORWARDED, timeout=TIMEOUT_SECONDS)
        assert "Secure" not in login.headers["Set-Cookie"]
        assert (
            requests.get(f"{url}/metrics", headers=FORWARDED, timeout=TIMEOUT_SECONDS).status_code
            == 200
        )
    finally:
        rack_process.close()
