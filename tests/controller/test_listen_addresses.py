"""Tests of the addresses at which the controller and the exporter listen."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller.bootstrap import loopback_address
from controller.web.server import create_server
from tests.controller.rack_process import ROOT, RackProcess, clean_environment
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, is_reachable, wait_until


@pytest.mark.parametrize(
    ("listen", "loopback"),
    [
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("[::]:8080", "[::1]:8080"),
        ("10.0.0.0:8080", "10.0.0.0:8080"),
        ("[fd00::1]:8080", "[fd00::1]:8080"),
    ],
)
def test_programs_on_the_master_use_loopback_if_all_addresses_listen(
    listen: str, loopback: str
) -> None:
    assert loopback_address(listen) == loopback


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]"])
def test_server_listens_at_an_address_that_the_machine_gets_later(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = create_server(lambda *_arguments: [], f"{host}:{free_port()}")
    server.close()
    assert f"does not have the address {host.strip('[]')}: clients cannot connect" in caplog.text


@pytest.mark.process
@pytest.mark.parametrize("listen", ["::1:8080", "8080", "[::1]", "10.23.0.0/16:8080"])
def test_invalid_listen_address_is_rejected_with_an_example(listen: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "controller", "--listen", listen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "127.0.0.1:8080 or [::1]:8080" in done.stderr


@pytest.mark.process
@pytest.mark.parametrize("module", ["controller", "exporter"])
def test_ipv6_address_has_brackets_in_the_log(tmp_path: Path, module: str) -> None:
    rack_process = RackProcess(tmp_path, contact="normally_closed")
    rack_process.state_folder.mkdir()
    address = f"[::1]:{free_port()}"
    options = rack_process.controller_arguments(0) if module == "controller" else []
    rack_process._start(module, [*options, "--listen", address], clean_environment())
    try:
        wait_until(lambda: is_reachable(f"http://{address}/metrics"))
        log = (tmp_path / f"{module}.log").read_text()
        assert re.findall(r"http://\S*:\d+", log)[-1] == f"http://{address}"
    finally:
        rack_process.close()
