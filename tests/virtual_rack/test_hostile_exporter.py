"""Fault `hostile`: a rasp whose exporter and SSH server attack the master."""

import asyncio
import gzip
import socket
from pathlib import Path

import pytest
import requests

from controller.ssh.connection import MAX_OUTPUT_BYTES
from tests.controller.openssh_servers import loopback_prefix
from tests.helpers.waiting import TIMEOUT_SECONDS
from tests.virtual_rack.test_ssh import SteppedRack
from virtual_rack.faults import Fault
from virtual_rack.hostile_exporter import SERIES_PER_FLOOD, Attack, HostileExporter


def response_to(attack: Attack) -> requests.Response:
    server = HostileExporter("127.0.0.1", 0, [attack], "http://127.0.0.1:1/private")
    server.start()
    try:
        return requests.get(
            f"http://127.0.0.1:{server.port}/metrics",
            headers={"Accept-Encoding": ""},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=attack is Attack.COMPRESSION_BOMB,
        )
    finally:
        server.close()


def test_each_flood_consists_of_new_series() -> None:
    server = HostileExporter("127.0.0.1", 0, [Attack.SERIES_FLOOD])
    server.start()
    url = f"http://127.0.0.1:{server.port}/metrics"
    floods = [set(requests.get(url, timeout=TIMEOUT_SECONDS).text.splitlines()) for _ in range(2)]
    server.close()
    assert [len(flood) for flood in floods] == [SERIES_PER_FLOOD, SERIES_PER_FLOOD]
    assert floods[0].isdisjoint(floods[1])


def test_redirect_leads_to_loopback() -> None:
    response = response_to(Attack.REDIRECT)
    assert (response.status_code, response.headers["Location"]) == (
        302,
        "http://127.0.0.1:1/private",
    )


def test_long_label_has_70_kilobytes() -> None:
    assert len(response_to(Attack.LONG_LABEL).text) > 70_000


def test_compression_bomb_is_a_thousand_times_larger_than_its_response() -> None:
    bomb = response_to(Attack.COMPRESSION_BOMB).raw.read()
    assert len(gzip.decompress(bomb)) > 100 * len(bomb)


def test_slow_response_never_ends() -> None:
    server = HostileExporter("127.0.0.1", 0, [Attack.SLOW_DRIP])
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_SECONDS) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        received = b""
        while not received.endswith(b"xxx"):
            received += client.recv(1)
    server.close()
    assert b"\r\n\r\n" not in received


@pytest.mark.parametrize("attack", Attack)
def test_every_attack_ends_when_the_client_disconnects(attack: Attack) -> None:
    server = HostileExporter("127.0.0.1", 0, [attack])
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_SECONDS) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.0 302" or attack is not Attack.REDIRECT
    server.close()


@pytest.mark.process
def test_hostile_rasp_sends_control_characters_and_runs_no_action(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        rack = SteppedRack(tmp_path, runner)
        rack.inject_fault("1/1", Fault.HOSTILE)
        result = rack.run_action(1, "reboot")
        rack.advance(1)
        phase = rack.phase(1)
        metrics = f"http://{loopback_prefix()}.1.1:9849/metrics"
        flood = requests.get(metrics, timeout=TIMEOUT_SECONDS).text
        rack.clear_faults("1/1")
        healthy = requests.get(metrics, timeout=TIMEOUT_SECONDS).text
        rack.close()
    assert phase == "up"
    assert "\x1b[2J" in result.output
    assert (result.is_truncated, len(result.output.encode()) <= MAX_OUTPUT_BYTES) == (True, True)
    assert flood.count("\n") == SERIES_PER_FLOOD
    assert "pirack_up 1.0" in healthy
