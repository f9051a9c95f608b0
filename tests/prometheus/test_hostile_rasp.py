"""Real Prometheus that scrapes hostile rasps and an honest one in the same stack.

03-1 is honest. Each other rasp of the stack attacks in another way.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
from prometheus_client import CollectorRegistry, Gauge

from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until
from tests.prometheus.test_scraping import (
    PrometheusServer,
    rasp_labels,
    running_exporter,
    running_program,
)
from virtual_rack.demo.speed_up import INTERVAL_KEYS, shorten_durations
from virtual_rack.hostile_exporter import Attack, HostileExporter

pytestmark = pytest.mark.process

HONEST = "03-1"
RASPS: Mapping[Attack, str] = {
    attack: f"03-{number}" for number, attack in enumerate(Attack, start=2)
}
REJECTED = set(Attack) - {Attack.FORGED_METRICS, Attack.CHANGING_SERIES}
QUARANTINED = {Attack.EXCESS_SERIES, Attack.CHANGING_SERIES}
STATE = "rack_stack_slot:pirack_rasp_state:max"


@dataclass
class AttackedPrometheus:
    """A Prometheus server, and the requests that reached a private service on loopback."""

    server: PrometheusServer
    private_requests: list[str]

    def values(self, expression: str) -> dict[str, float]:
        """Return the values of an expression for each rasp."""
        return {labels["rasp"]: value for labels, value in self.server.query(expression)}

    def stored_names(self, rasp: str) -> set[str]:
        """Return the names of all series of a rasp, even if its last scrape timed out."""
        series = self.server.query(f'last_over_time({{job="rasp",rasp="{rasp}"}}[5m])')
        names = {labels["__name__"] for labels, _ in series}
        return {name for name in names if not name.startswith("scrape_")}


@contextlib.contextmanager
def private_service() -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of a service, and the paths of its requests."""
    requested: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/private", requested
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def attacked(make_prometheus_folder: Callable[[], Path]) -> Iterator[AttackedPrometheus]:
    """Prometheus after at least five scrapes of each rasp, with intervals of one second."""
    home = make_prometheus_folder()
    configuration = home / "prometheus.yml"
    configuration.write_text(shorten_durations(configuration.read_text(), 5, INTERVAL_KEYS))
    registry = CollectorRegistry()
    Gauge("pirack_cpu_temperature_celsius", "", registry=registry).set(40)
    listen = f"127.0.0.1:{free_port()}"
    with contextlib.ExitStack() as stack:
        url, requested = stack.enter_context(private_service())
        addresses = {HONEST: stack.enter_context(running_exporter(registry))}
        for attack, rasp in RASPS.items():
            exporter = HostileExporter("127.0.0.1", 0, [attack], url)
            exporter.start()
            stack.callback(exporter.close)
            addresses[rasp] = f"127.0.0.1:{exporter.port}"
        stack.enter_context(
            running_program(
                "prometheus",
                f"http://{listen}/-/ready",
                home,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address={listen}",
            )
        )
        server = PrometheusServer(f"http://{listen}", home)
        server.write_targets(
            "rasp.json",
            [
                {"targets": [address], "labels": rasp_labels(rasp)}
                for rasp, address in addresses.items()
            ],
        )
        server.write_targets(
            "prometheus.json", [{"targets": [listen], "labels": {"rack": "pirack"}}]
        )
        server.wait_for(
            'count(count_over_time(up{job="rasp"}[5m]) >= 5)',
            lambda result: bool(result) and result[0][1] == len(addresses),
        )
        yield AttackedPrometheus(server, requested)


def test_neighbor_of_hostile_rasps_is_up(attacked: AttackedPrometheus) -> None:
    # A scrape can time out on a busy machine, but not again and again.
    up_for_five_seconds = f'min_over_time({STATE}{{rasp="{HONEST}"}}[5s]) == 1'
    attacked.server.wait_for(up_for_five_seconds)


@pytest.mark.parametrize("attack", sorted(REJECTED))
def test_hostile_response_is_rejected(attacked: AttackedPrometheus, attack: Attack) -> None:
    rasp = RASPS[attack]
    assert attacked.values(f'max_over_time(up{{job="rasp",rasp="{rasp}"}}[5m])') == {rasp: 0}
    assert attacked.stored_names(rasp) == {"up"}


def test_prometheus_stores_few_series_of_hostile_rasps(attacked: AttackedPrometheus) -> None:
    [(_, series)] = attacked.server.wait_for("prometheus_tsdb_head_series{job='prometheus'}")
    assert series < 100_000  # a flood alone has 60,000 new series in each scrape


def test_prometheus_follows_no_redirect(attacked: AttackedPrometheus) -> None:
    assert attacked.private_requests == []


def test_forged_metrics_are_dropped(attacked: AttackedPrometheus) -> None:
    rasp = RASPS[Attack.FORGED_METRICS]
    assert attacked.stored_names(rasp) == {
        *("up", "pirack_cpu_load1", "pirack_cpu_temperature_celsius")
    }
    forged = '{__name__=~"pirack_stack_.+|pirack_master_.+"}'
    assert attacked.server.query(f"last_over_time({forged}[5m])") == []
    assert attacked.server.wait_for("pirack:threshold:hot_celsius")[0][1] == 75


def test_timestamps_of_a_rasp_are_ignored(attacked: AttackedPrometheus) -> None:
    rasp = RASPS[Attack.FORGED_METRICS]
    [(_, seconds_ahead)] = attacked.server.wait_for(
        f'timestamp(pirack_cpu_temperature_celsius{{job="rasp",rasp="{rasp}"}}) - time()'
    )
    assert seconds_ahead <= 0


def test_alert_fires_for_each_rasp_with_too_many_series(attacked: AttackedPrometheus) -> None:
    firing = 'ALERTS{alertname="PiRackRaspQuarantined",alertstate="firing"}'
    expected = {RASPS[attack] for attack in QUARANTINED}
    wait_until(lambda: attacked.values(firing).keys() >= expected)
    assert attacked.values(f"last_over_time({firing}[5m])").keys() == expected


def test_each_rule_results_in_one_alert_per_rasp(attacked: AttackedPrometheus) -> None:
    rasp = RASPS[Attack.CHANGING_SERIES]  # exports hundreds of failed aliases
    alerts = attacked.server.wait_for(f'ALERTS{{alertname="PiRackRaspAliasFailing",rasp="{rasp}"}}')
    assert len(alerts) == 1


def test_prometheus_sends_no_data_to_pages_of_other_sites(
    make_prometheus_folder: Callable[[], Path],
) -> None:
    home, listen = make_prometheus_folder(), f"127.0.0.1:{free_port()}"
    with running_program(
        "prometheus",
        f"http://{listen}/-/ready",
        home,
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address={listen}",
        "--web.cors.origin=none",
    ):
        response = requests.get(
            f"http://{listen}/api/v1/status/buildinfo",
            headers={"Origin": "http://evil.example"},
            timeout=TIMEOUT_SECONDS,
        )
        quit_response = requests.post(f"http://{listen}/-/quit", timeout=TIMEOUT_SECONDS)
    assert "Access-Control-Allow-Origin" not in response.headers
    assert quit_response.status_code == 403
