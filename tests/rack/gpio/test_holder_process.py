"""Tests of the process that holds the lines: its socket, its clients, and systemd's descriptors."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rack.gpio import systemd
from rack.gpio.client import HolderClient, program_digest
from rack.gpio.errors import GpioError, GpioNotReadyError
from tests.helpers.fake_clock import FakeClock
from tests.helpers.waiting import TIMEOUT_SECONDS
from tests.rack.gpio.relay_master import RelayMaster, running_master

ROOT = Path(__file__).parents[3]


@pytest.fixture
def master(tmp_path: Path) -> Iterator[RelayMaster]:
    with running_master(tmp_path) as master:
        yield master


def test_only_the_user_of_the_holder_may_use_its_socket(
    master: RelayMaster, tmp_path: Path
) -> None:
    assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600


def test_requests_wait_while_the_holder_restarts(master: RelayMaster) -> None:
    client = master.client()
    client.request("drive", line=17, high=True)
    master.stop_holder()
    timer = threading.Timer(0.3, master.start_holder)
    timer.start()
    assert client.request("read", line=17) == {"is_output": True, "is_high": True}
    timer.join()


@pytest.mark.parametrize(("since_boot", "waits_until"), [(60.0, 300.0), (5000.0, 5010.0)])
def test_requests_wait_for_udev_longer_during_a_boot(
    master: RelayMaster, tmp_path: Path, since_boot: float, waits_until: float
) -> None:
    clock = FakeClock(since_boot)
    client = HolderClient(tmp_path / "socket", clock=clock, sleep=clock.sleep)

    def request(line: int) -> int:
        raise GpioNotReadyError("permission denied")

    with closing(client), pytest.MonkeyPatch.context() as patch:
        patch.setattr(master.holder.chip, "request", request)
        with pytest.raises(GpioError, match="permission denied"):
            client.request("read", line=17)
    assert clock.now == pytest.approx(waits_until, abs=0.5)


def test_missing_holder_is_reported_at_once_with_a_fix(tmp_path: Path) -> None:
    clock = FakeClock()
    client = HolderClient(tmp_path / "missing" / "socket", clock=clock, sleep=clock.sleep)
    with pytest.raises(
        GpioError, match=r"No such file or directory.*systemctl start pirack-relays"
    ):
        client.request("status")
    assert clock.now == 0.0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_missing_permission_for_the_socket_is_reported_at_once(master: RelayMaster) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(GpioError, match="permission denied: run this program as root"):
            master.client().request("status")
    finally:
        os.seteuid(0)


def test_holder_that_does_not_start_is_reported_after_a_wait(tmp_path: Path) -> None:
    clock = FakeClock()
    client = HolderClient(tmp_path / "socket", clock=clock, sleep=clock.sleep)
    with pytest.raises(GpioError, match="does not respond"):
        client.request("status")
    assert clock.now == pytest.approx(20.0, abs=0.5)


@pytest.mark.parametrize(
    "request_", [{"command": "blink"}, {"command": "drive", "line": 17}, {"command": "read"}]
)
def test_invalid_request_is_rejected(master: RelayMaster, request_: dict[str, object]) -> None:
    with pytest.raises(GpioError, match="invalid request"):
        master.client().request(**request_)  # type: ignore[arg-type]
    assert master.kernel.changes == []


def test_text_that_is_not_json_is_rejected(master: RelayMaster) -> None:
    server_end, client_end = socket.socketpair()
    with server_end, client_end:
        assert b"invalid request" in master.holder.server.reply(b"read 17\n", server_end)


def test_request_of_a_client_that_has_closed_its_connection_moves_nothing(
    master: RelayMaster,
) -> None:
    request = json.dumps({"command": "drive", "line": 17, "high": True}).encode()
    server_end, client_end = socket.socketpair()
    with server_end, client_end:
        assert master.holder.server.reply(request, server_end) == b"{}\n"
        client_end.close()
        late_request = request.replace(b"true", b"false")
        assert master.holder.server.reply(late_request, server_end) == b""
    assert master.kernel.changes == [(17, "high")]


def test_digest_changes_with_the_source_code(tmp_path: Path) -> None:
    (tmp_path / "holder.py").write_text("a = 1\n")
    first = program_digest(tmp_path)
    (tmp_path / "holder.py").write_text("a = 2\n")
    assert program_digest(tmp_path) != first
    assert program_digest() == program_digest(ROOT / "rack" / "gpio")


def test_descriptors_are_sent_to_systemd_and_returned_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        read_end, write_end = os.pipe()
        systemd.store_descriptor("GPIO17", write_end)
        message, [copy], *_ = socket.recv_fds(receiver, 4096, 1)
    assert message == b"FDSTORE=1\nFDNAME=GPIO17"
    os.write(copy, b"x")
    assert os.read(read_end, 1) == b"x"
    for descriptor in (read_end, write_end, copy):
        os.close(descriptor)


def test_without_systemd_no_descriptor_is_stored_or_taken_over() -> None:
    systemd.notify("READY=1", environment={})
    assert systemd.stored_descriptors({}) == {}
    foreign = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "GPIO17"}
    assert systemd.stored_descriptors(foreign) == {}


@pytest.mark.process
def test_holder_loads_only_gpiod_and_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import rack.gpio.chip, rack.gpio.server;"
        " names = {name.partition('.')[0] for name in set(sys.modules) - before};"
        " print(*sorted(names - sys.stdlib_module_names))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    assert completed.stdout == "gpiod rack\n"
