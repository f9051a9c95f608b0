"""Demos of small racks: their processes, and invalid racks."""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers.descendants import find_descendants
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import wait_until
from tests.virtual_rack.demo.demo_process import (
    DemoProcess,
    is_port_open,
    run_module,
    running_demo,
)

pytestmark = pytest.mark.process

THREE_STACK_RACK_TOML = layout_text(
    [{"pin": 16, "x": 0, "y": 0}, {"pin": 17, "x": 1, "y": 0}, {"pin": 18, "x": 0, "y": 1}], slots=6
)

FAKE_GRAFANA = """#!{python}
import http.server, json, os, sys
with open("grafana.json", "w") as file:
    json.dump([sys.argv[1:], dict(os.environ)], file)
port = int(os.environ["GF_SERVER_HTTP_PORT"])
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """A demo with a fake Grafana, which records its arguments and environment."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "rack.toml").write_text(THREE_STACK_RACK_TOML)
    (folder / "api").mkdir()
    (folder / "api" / "health").touch()
    grafana = folder / "grafana"
    grafana.write_text(FAKE_GRAFANA.format(python=sys.executable))
    grafana.chmod(0o755)
    with ExitStack() as until_the_end:
        with pytest.MonkeyPatch.context() as variables:
            variables.setenv("PATH", f"{folder}:{os.environ['PATH']}")
            demo = until_the_end.enter_context(running_demo(folder))
        yield demo


def test_demo_of_another_rack_has_its_rasps(small_demo: DemoProcess) -> None:
    assert [len(stack["rasps"]) for stack in small_demo.get("stacks")] == [6, 6, 6]
    wait_until(lambda: small_demo.get("rack")["states"]["up"] == 18)
    wait_until(lambda: small_demo.count('up{job="rasp"} == 1') == 18)


def test_grafana_is_started_if_it_is_installed(small_demo: DemoProcess) -> None:
    folder, port = small_demo.folder, small_demo.port_base + 3
    assert f"Grafana         http://127.0.0.1:{port}" in (folder / "demo.log").read_text()
    arguments, environment = json.loads((folder / "grafana.json").read_text())
    [controller] = find_descendants(
        psutil.Process(small_demo.process.pid), lambda process: "controller" in process.cmdline()
    )
    assert controller.cmdline()[-2:] == ["--grafana", f"http://127.0.0.1:{port}"]
    assert arguments[0] == "server"
    assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert environment["PROMETHEUS_URL"] == f"http://127.0.0.1:{small_demo.port_base + 1}"
    provisioning = Path(environment["GF_PATHS_PROVISIONING"])
    assert (provisioning / "datasources" / "prometheus.yml").is_file()
    dashboards = provisioning.parent / "dashboards"
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home == dashboards / "pirack-rack.json"
    dashboard = home.read_text()
    assert '"name": "Rasp 03-6"' in dashboard  # the third stack has six rasps
    assert f'"query": "http://127.0.0.1:{small_demo.port_base}"' in dashboard


def first_target(demo: DemoProcess) -> tuple[str, int]:
    """Return the address and port of the first exporter that Prometheus scrapes."""
    targets: Any = json.loads(
        (demo.state_folder / "prometheus" / "targets" / "rasp.json").read_text()
    )
    address, port = targets[0]["targets"][0].split(":")
    return address, int(port)


def test_interrupted_demo_stops_all_its_processes(small_demo: DemoProcess) -> None:
    processes = small_demo.processes()
    assert {"prometheus", "prometheus-blac"} & {process.name() for process in processes}
    target = first_target(small_demo)
    small_demo.process.send_signal(signal.SIGINT)
    assert small_demo.process.wait() == 0
    wait_until(lambda: not any(process.is_running() for process in processes))
    assert not any(is_port_open(small_demo.port_base + i) for i in range(5))
    with socket.socket() as probe:
        assert probe.connect_ex(target) != 0


def test_killing_the_demo_ends_its_processes(tmp_path: Path) -> None:
    (tmp_path / "rack.toml").write_text(layout_text(1))
    with running_demo(tmp_path) as demo:
        processes = demo.processes()
        demo.process.kill()
        wait_until(lambda: not any(process.is_running() for process in processes))


@pytest.mark.parametrize(
    ("module", "prefix"), [("virtual_rack.demo", ""), ("controller", "controller: ")]
)
def test_invalid_rack_toml_produces_one_error_line(
    tmp_path: Path, module: str, prefix: str
) -> None:
    (tmp_path / "rack.toml").write_text(THREE_STACK_RACK_TOML.replace("pin = 17", "pin = 16"))
    result = run_module(module, folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr == (
        f"{prefix}rack.toml: stacks[2].pin: pin 16 is already used by stack 1:"
        " use a different pin\n"
    )
