"""The real controller behind a proxy with HTTPS, and with somebody who claims to be one."""

from pathlib import Path

import pytest
import requests

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from rack.database import Database
from tests.controller.rack_process import ControllerProcess, RackProcess
from tests.helpers.waiting import free_port, wait_until

FORWARDED = {
    "X-Forwarded-For": "10.23.0.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "localhost",
}


@pytest.fixture
def room(tmp_path: Path) -> RackProcess:
    room = RackProcess(tmp_path, contact="normally_closed")
    room.state_folder.mkdir()
    AccessControl(Database(room.state_folder / "pirack.db")).users.add(
        "vera", Role.ADMIN, "a viewer's password"
    )
    return room


def start_controller(room: RackProcess, *arguments: str) -> ControllerProcess:
    port = free_port()
    process = room._start(
        "controller", [*room.controller_arguments(port), "--anonymous", "nobody", *arguments], {}
    )
    controller = ControllerProcess(process, port, room.folder / "controller.log")
    wait_until(controller.is_ready)
    return controller


def test_a_proxy_that_is_named_is_believed(room: RackProcess) -> None:
    try:
        url = start_controller(room, "--proxy", "127.0.0.1").url
        login = requests.get(f"{url}/login", headers=FORWARDED, timeout=10)
        assert "Secure" in login.headers["Set-Cookie"]
        metrics = requests.get(
            f"{url}/metrics", headers=FORWARDED, timeout=10, allow_redirects=False
        )
        assert metrics.status_code == 302
    finally:
        room.close()


def test_anybody_else_is_not(room: RackProcess) -> None:
    try:
        url = start_controller(room).url
        login = requests.get(f"{url}/login", headers=FORWARDED, timeout=10)
        assert "Secure" not in login.headers["Set-Cookie"]
        assert requests.get(f"{url}/metrics", headers=FORWARDED, timeout=10).status_code == 200
    finally:
        room.close()
