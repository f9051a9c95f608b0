"""Control socket of a virtual rack: requests, replies and clients that disconnect."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket

import pytest

from exporter import aliases
from rack.layout_file import parse
from tests.helpers.layouts import layout_text
from tests.helpers.threads import new_threads, running_threads
from tests.helpers.waiting import TIMEOUT_SECONDS, free_network_prefix, wait_until
from virtual_rack import control
from virtual_rack.loopback import LoopbackOptions, loopback_rack

ALIASES = aliases.load(aliases.DEFAULT_PATH)


@pytest.fixture
def state_folder(tmp_path: Path) -> Iterator[Path]:
    """The state folder of a rack that serves its control socket."""
    options = LoopbackOptions(free_network_prefix())
    rack = loopback_rack(parse(layout_text()), ALIASES, tmp_path, options)
    with control.serving(rack, tmp_path):
        yield tmp_path
    rack.close()


def connect(state_folder: Path) -> socket:
    connection = socket(AF_UNIX, SOCK_STREAM)
    connection.settimeout(TIMEOUT_SECONDS)
    connection.connect(str(state_folder / "control.sock"))
    return connection


def exchange(state_folder: Path, data: bytes) -> bytes:
    with connect(state_folder) as connection:
        connection.sendall(data)
        connection.shutdown(SHUT_WR)
        return connection.recv(4096)


def test_faults_are_injected_and_cleared(state_folder: Path) -> None:
    inject = {"command": "fault", "targets": ["1/2"], "fault": "dead"}
    assert control.send(state_folder, inject) == {"rasps": ["01-2"]}
    rasps = control.send(state_folder, {"command": "status"})["rasps"]
    assert {name: rasp["faults"] for name, rasp in rasps.items()} == {"01-1": [], "01-2": ["dead"]}
    clear = {"command": "heal", "targets": ["all"], "fault": None}
    cleared = {"rasps": ["01-1", "01-2"], "cleared": {"dead": ["01-2"]}}
    assert control.send(state_folder, clear) == cleared
    assert control.send(state_folder, clear) == cleared | {"cleared": {}}
    rasps = control.send(state_folder, {"command": "status"})["rasps"]
    assert all(rasp["faults"] == [] for rasp in rasps.values())


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        (b"{\n", "the request is not valid JSON"),
        (b"\xff\n", "the request is not valid JSON"),
        (b'{"command": "explode"}\n', "unknown request"),
        (b"[]\n", "unknown request"),
        (b'{"command": "get_pin", "pin": 2}\n', "GPIO2 has no relay"),
    ],
)
def test_invalid_request_gets_an_error_reply(
    state_folder: Path, capfd: pytest.CaptureFixture[str], request_line: bytes, error: str
) -> None:
    assert json.loads(exchange(state_folder, request_line)) == {"error": error}
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("data", [b"", b'{"command": "sta'])
def test_client_that_disconnects_during_its_request_is_ignored(
    state_folder: Path, capfd: pytest.CaptureFixture[str], data: bytes
) -> None:
    assert exchange(state_folder, data) == b""
    assert capfd.readouterr().err == ""


def test_client_that_disconnects_before_its_reply_is_ignored(
    state_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier_threads = running_threads()
    is_received, is_disconnected = threading.Event(), threading.Event()

    def handle(*_: object) -> control.Message:
        is_received.set()
        is_disconnected.wait(TIMEOUT_SECONDS)
        return {}

    monkeypatch.setattr(control, "handle", handle)
    with connect(state_folder) as connection:
        connection.sendall(b'{"command": "status"}\n')
        assert is_received.wait(TIMEOUT_SECONDS)
    is_disconnected.set()
    wait_until(lambda: not new_threads(earlier_threads))
    assert capfd.readouterr().err == ""


def test_process_id_of_a_busy_rack_is_found(
    state_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_finished = threading.Event()

    def handle(*_: object) -> control.Message:
        is_finished.wait(TIMEOUT_SECONDS)
        return {}

    monkeypatch.setattr(control, "handle", handle)
    with connect(state_folder) as connection:
        connection.sendall(b'{"command": "status"}\n')
        assert control.server_process_id(state_folder) == os.getpid()
        is_finished.set()
        assert connection.recv(4096) == b"{}\n"


def test_rack_that_does_not_run_is_distinguished_from_one_that_does_not_reply(
    state_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(*_: object) -> control.Message:
        raise ConnectionError

    monkeypatch.setattr(control, "handle", handle)
    with pytest.raises(
        control.RackUnavailableError, match=r"^cannot reach the virtual rack in .*closed the"
    ):
        control.send(state_folder, {"command": "status"})
    other_folder = state_folder / "other"
    other_folder.mkdir()
    with pytest.raises(control.RackUnavailableError, match=r"^no virtual rack is running in "):
        control.send(other_folder, {"command": "status"})
