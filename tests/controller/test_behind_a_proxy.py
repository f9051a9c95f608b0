"""The real controller behind a proxy with HTTPS, and with somebody who claims to be one."""

from pathlib import Path

import pytest
import requests

from controller.access import Access
from controller.roles import Role
from rack.database import Database
from tests.controller.room import Controller, Room
from tests.waiting import free_port, until

FORWARDED = {
    "X-Forwarded-For": "10.23.0.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "localhost",
}


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = Room(tmp_path, contact="normally_closed")
    room.state.mkdir()
    Access(Database(room.state / "pirack.db")).users.add("vera", Role.ADMIN, "a viewer's password")
    return room


def started(room: Room, *words: str) -> Controller:
    port = free_port()
    process = room._start("controller", [*room.words(port), "--anonymous", "nobody", *words], {})
    controller = Controller(process, port, room.folder / "controller.log")
    until(controller.is_up)
    return controller


def test_a_proxy_that_is_named_is_believed(room: Room) -> None:
    try:
        url = started(room, "--proxy", "127.0.0.1").url
        login = requests.get(f"{url}/login", headers=FORWARDED, timeout=10)
        assert "Secure" in login.headers["Set-Cookie"]
        metrics = requests.get(
            f"{url}/metrics", headers=FORWARDED, timeout=10, allow_redirects=False
        )
        assert metrics.status_code == 302
    finally:
        room.close()


def test_anybody_else_is_not(room: Room) -> None:
    try:
        url = started(room).url
        login = requests.get(f"{url}/login", headers=FORWARDED, timeout=10)
        assert "Secure" not in login.headers["Set-Cookie"]
        assert requests.get(f"{url}/metrics", headers=FORWARDED, timeout=10).status_code == 200
    finally:
        room.close()
