"""Real Prometheus and blackbox_exporter with PiRack's configuration and small exporters.

In the rack, 03-1 is up at 65 °C, 03-2 is down, and stack 04 with 04-1 is off.
"""

import contextlib
import json
import math
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, is_reachable, wait_until
from tools.programs import find

pytestmark = pytest.mark.process

FILES = Path(__file__).parents[2] / "prometheus"
STATE = "rack_stack_slot:pirack_rasp_state:max"

Labels = dict[str, str]


def rasp_labels(rasp: str) -> Labels:
    stack, slot = rasp.split("-")
    return {"rack": "pirack", "stack": stack, "slot": slot, "rasp": rasp}


@contextlib.contextmanager
def running_exporter(registry: CollectorRegistry, address: str = "127.0.0.1") -> Iterator[str]:
    """Serve `registry` in the block. Yield ADDRESS:PORT."""
    server, thread = start_http_server(0, addr=address, registry=registry)
    try:
        yield f"{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def running_program(name: str, ready_url: str, folder: Path, *arguments: str) -> Iterator[None]:
    """Run a program in the block. The block starts when `ready_url` responds."""
    program = find(name)
    with (folder / f"{name}.log").open("w+") as log:
        process = subprocess.Popen(
            [*program.command, *arguments],
            env=program.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(lambda: process.poll() is not None or is_reachable(ready_url))
            log.seek(0)
            assert process.poll() is None, log.read()
            yield
        finally:
            process.terminate()
            process.wait(TIMEOUT_SECONDS)


class PrometheusServer:
    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home

    def write_targets(self, name: str, groups: list[dict[str, object]]) -> None:
        temporary = self.home / "targets" / f".{name}.new"
        temporary.write_text(json.dumps(groups))
        temporary.replace(self.home / "targets" / name)

    def query(self, query: str, **parameters: str | float) -> list[tuple[Labels, float]]:
        response = requests.get(
            f"{self.url}/api/v1/query",
            params={"query": query, **parameters},
            timeout=TIMEOUT_SECONDS,
        ).json()
        assert response["status"] == "success", response
        return [(each["metric"], float(each["value"][1])) for each in response["data"]["result"]]

    def wait_for(
        self, query: str, condition: Callable[[list[tuple[Labels, float]]], bool] = bool
    ) -> list[tuple[Labels, float]]:
        """Repeat a query until `condition` is true for the result, or by default for any result."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition(result := self.query(query)):
            assert time.monotonic() < deadline, (query, result)
            time.sleep(0.25)
        return result


@pytest.fixture(scope="module")
def prometheus(make_prometheus_folder: Callable[[], Path]) -> Iterator[PrometheusServer]:
    """A Prometheus server that was started before its target files existed."""
    home = make_prometheus_folder()

    rasp = CollectorRegistry()
    Gauge("pirack_cpu_temperature_celsius", "", registry=rasp).set(65)
    Gauge("pirack_own_reading", "", ["stack"], registry=rasp).labels("99").set(1)
    controller = CollectorRegistry()
    power = Gauge("pirack_stack_power_state", "", ["rack", "stack"], registry=controller)
    power.labels("pirack", "03").set(1)
    power.labels("pirack", "04").set(0)
    Counter("pirack_orders", "", ["action", "result"], registry=controller).labels("off", "ok")

    blackbox = f"127.0.0.1:{free_port()}"
    listen = f"127.0.0.1:{free_port()}"
    with contextlib.ExitStack() as stack:
        rasp_address = stack.enter_context(running_exporter(rasp, "127.23.3.1"))
        controller_address = stack.enter_context(running_exporter(controller))
        dead = f"127.23.3.2:{free_port('127.23.3.2')}"
        off = f"127.23.4.1:{free_port('127.23.4.1')}"
        stack.enter_context(
            running_program(
                "blackbox_exporter",
                f"http://{blackbox}/-/healthy",
                home,
                f"--config.file={FILES / 'blackbox.yml'}",
                f"--web.listen-address={blackbox}",
            )
        )
        stack.enter_context(
            running_program(
                "prometheus",
                f"http://{listen}/-/ready",
                home,
                f"--config.file={home / 'prometheus.yml'}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address={listen}",
            )
        )
        prometheus = PrometheusServer(f"http://{listen}", home)
        rasps = {"03-1": rasp_address, "03-2": dead, "04-1": off}
        prometheus.write_targets(
            "rasp.json",
            [
                {"targets": [address], "labels": rasp_labels(name)}
                for name, address in rasps.items()
            ],
        )
        prometheus.write_targets(
            "ping.json",
            [
                {
                    "targets": [blackbox],
                    "labels": {
                        "__param_module": "tcp",
                        "__param_target": address,
                        "instance": address.partition(":")[0],
                        **rasp_labels(name),
                    },
                }
                for name, address in rasps.items()
            ],
        )
        prometheus.write_targets(
            "controller.json", [{"targets": [controller_address], "labels": {"rack": "pirack"}}]
        )
        prometheus.write_targets("alertmanager.json", [{"targets": ["127.0.0.1:9093"]}])
        yield prometheus


def test_metrics_of_a_rasp_have_its_location_as_labels(prometheus: PrometheusServer) -> None:
    [(labels, value)] = prometheus.wait_for("pirack_cpu_temperature_celsius")
    assert value == 65
    assert labels.pop("instance").startswith("127.23.3.1:")
    assert labels == {
        "__name__": "pirack_cpu_temperature_celsius",
        "job": "rasp",
        **rasp_labels("03-1"),
    }


def test_alias_cannot_override_the_location_labels(prometheus: PrometheusServer) -> None:
    [(labels, _)] = prometheus.wait_for("pirack_own_reading")
    assert labels["stack"] == "03"
    assert labels["exported_stack"] == "99"


def test_controller_metrics_keep_their_rack_label(prometheus: PrometheusServer) -> None:
    power = prometheus.wait_for("pirack_stack_power_state")
    assert {(labels["rack"], labels["stack"], value) for labels, value in power} == {
        ("pirack", "03", 1),
        ("pirack", "04", 0),
    }
    assert not any("exported_rack" in labels for labels, _ in power)


def test_controller_metrics_without_a_rack_get_the_label(prometheus: PrometheusServer) -> None:
    [(labels, _)] = prometheus.wait_for("pirack_orders_total")
    assert labels["rack"] == "pirack"


def test_ping_succeeds_only_for_the_rasp_that_is_up(prometheus: PrometheusServer) -> None:
    prometheus.wait_for("probe_success", lambda result: len(result) == 3)
    assert [
        (labels["rasp"], labels["instance"], value)
        for labels, value in prometheus.query('sort_desc(probe_success{job="ping",stack="03"})')
    ] == [("03-1", "127.23.3.1", 1), ("03-2", "127.23.3.2", 0)]


def test_state_rule_distinguishes_warm_down_and_off(prometheus: PrometheusServer) -> None:
    expected = {"03-1": 2, "03-2": 0, "04-1": 4}
    states = prometheus.wait_for(
        STATE, lambda result: {labels.get("rasp"): value for labels, value in result} == expected
    )
    assert {"__name__": STATE, **rasp_labels("03-1")} in [labels for labels, _ in states]


def test_prometheus_uses_the_alertmanager_of_the_target_file(prometheus: PrometheusServer) -> None:
    url = f"{prometheus.url}/api/v1/alertmanagers"

    def active() -> list[str]:
        response = requests.get(url, timeout=TIMEOUT_SECONDS).json()
        return [each["url"] for each in response["data"]["activeAlertmanagers"]]

    wait_until(active)
    assert active() == ["http://127.0.0.1:9093/api/v2/alerts"]


def test_last_over_time_limits_the_age_of_a_result(prometheus: PrometheusServer) -> None:
    # docs/reference/prometheus.md contains the query. A future time simulates a minute of outage.
    prometheus.wait_for('up{job="rasp"}')
    limited = 'last_over_time(up{job="rasp"}[15s])'
    later = math.floor(time.time()) + 60
    assert prometheus.query(limited)
    assert prometheus.query('up{job="rasp"}', time=later)
    assert not prometheus.query(limited, time=later)


def test_rasps_are_added_and_removed_without_a_restart(prometheus: PrometheusServer) -> None:
    prometheus.wait_for('up{job="rasp"}', lambda result: len(result) == 3)
    groups = json.loads((prometheus.home / "targets" / "rasp.json").read_text())
    registry = CollectorRegistry()
    Gauge("pirack_cpu_temperature_celsius", "", registry=registry).set(30)
    with running_exporter(registry, "127.23.3.3") as address:
        new: dict[str, object] = {"targets": [address], "labels": rasp_labels("03-3")}
        prometheus.write_targets("rasp.json", [*groups, new])
        prometheus.wait_for(f'{STATE}{{rasp="03-3"}} == 1')
        prometheus.write_targets("rasp.json", groups)
        prometheus.wait_for(f'{STATE}{{rasp="03-3"}}', lambda result: not result)
    assert len(prometheus.query('up{job="rasp"}')) == 3
