"""The remote_write example of docs/how-to/many-racks.md, with two real Prometheus servers."""

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, is_reachable, wait_until
from tools.programs import find

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "many-racks.md").read_text(encoding="utf-8")
[REMOTE_WRITE_EXAMPLE] = re.findall(r"^```yaml\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL)

EXPORTER_METRICS = b"""\
pirack_cpu_temperature_celsius 48.3
pirack_cpu_load1 0.2
pirack_alias_success{alias="cpu_load1"} 1
"""


def configuration(**changes: Any) -> dict[str, Any]:
    """Return PiRack's prometheus.yml with the added example from the page."""
    base: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    example: dict[str, Any] = yaml.safe_load(REMOTE_WRITE_EXAMPLE)
    base["global"] |= example.pop("global") | changes
    return base | example


def sent_metrics_regex() -> str:
    regex: str = configuration()["remote_write"][0]["write_relabel_configs"][0]["regex"]
    return regex


def test_promtool_accepts_the_example(make_prometheus_folder: Callable[[], Path]) -> None:
    home = make_prometheus_folder()
    (home / "prometheus.yml").write_text(yaml.safe_dump(configuration()))
    secret = home / "secrets" / "metrics"
    secret.write_text("a password")
    promtool = find("promtool")
    result = subprocess.run(
        [promtool.path, "check", "config", home / "prometheus.yml"],
        env=promtool.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_dashboard_of_all_racks_queries_only_sent_metrics() -> None:
    sent_metrics = re.compile(sent_metrics_regex())
    text = (ROOT / "grafana" / "dashboards" / "pirack-racks.json").read_text()
    names = set(re.findall(r"rack_stack_slot:[a-z_:]+|pirack_[a-z0-9_]+|ALERTS", text))
    queried = {name for name in names if name != "pirack_"}
    assert queried
    assert [name for name in queried if not sent_metrics.fullmatch(name)] == []


def test_every_metric_in_the_list_is_documented() -> None:
    regex = sent_metrics_regex()
    documented = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert [
        name for name in regex.split("|") if name != "ALERTS" and f"`{name}`" not in documented
    ] == []


@contextmanager
def fake_exporter() -> Iterator[str]:
    """Serve metrics of a rasp and yield the address."""

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(EXPORTER_METRICS)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def running_prometheus(home: Path, *arguments: str) -> Iterator[str]:
    program = find("prometheus")
    port = free_port()
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(
            [program.path, f"--config.file={home / 'prometheus.yml'}",
             f"--storage.tsdb.path={home / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
             *arguments],
            env=program.environment, cwd=home, stdout=log, stderr=log,
        ) as process,
    ):  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: process.poll() is not None or is_reachable(f"{url}/-/ready"))
            assert process.poll() is None, (home / "log").read_text()
            yield url
        finally:
            process.terminate()


def list_series(url: str) -> list[Mapping[str, str]]:
    response = requests.get(
        f"{url}/api/v1/series", params={"match[]": '{__name__!=""}'}, timeout=TIMEOUT_SECONDS
    )
    series: list[Mapping[str, str]] = response.json()["data"]
    return series


def test_remote_write_sends_only_listed_metrics_with_external_labels(
    make_prometheus_folder: Callable[[], Path], tmp_path: Path
) -> None:
    (tmp_path / "prometheus.yml").write_text("{}")
    home = make_prometheus_folder()
    config = configuration(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
    with (
        running_prometheus(tmp_path, "--web.enable-remote-write-receiver") as engine,
        fake_exporter() as rasp,
    ):
        [remote_write] = config["remote_write"]
        del remote_write["basic_auth"]
        remote_write["url"] = f"{engine}/api/v1/write"
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        labels = {"rack": "room-5", "stack": "03", "slot": "2", "rasp": "03-2"}
        (home / "targets" / "rasp.json").write_text(
            json.dumps([{"targets": [rasp], "labels": labels}])
        )
        with running_prometheus(home):
            expected = {
                "rack_stack_slot:pirack_rasp_state:max",
                "pirack_cpu_temperature_celsius",
                "pirack_alias_success",
            }
            wait_until(lambda: expected <= {each["__name__"] for each in list_series(engine)})
            received = list_series(engine)
    sent_metrics = re.compile(remote_write["write_relabel_configs"][0]["regex"])
    assert [each for each in received if not sent_metrics.fullmatch(each["__name__"])] == []
    [temperature] = [
        each for each in received if each["__name__"] == "pirack_cpu_temperature_celsius"
    ]
    external = config["global"]["external_labels"]
    assert temperature == {"__name__": temperature["__name__"], **labels, **external}
