"""What docs/many-racks.md has a master send, sent by a real Prometheus to another."""

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.helpers.waiting import free_port, wait_until
from tools.programs import find

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "many-racks.md").read_text(encoding="utf-8")
[REMOTE_WRITE_EXAMPLE] = re.findall(r"^```yaml\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL)

EXPORTER_METRICS = b"""\
pirack_cpu_temperature_celsius 48.3
pirack_cpu_load1 0.2
pirack_alias_success{alias="cpu_load1"} 1
"""


def configuration(**changes: Any) -> dict[str, Any]:
    """PiRack's own with the page's lines in it, as the page says to write them."""
    own: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    added: dict[str, Any] = yaml.safe_load(REMOTE_WRITE_EXAMPLE)
    own["global"] |= added.pop("global") | changes
    return own | added


def test_promtool_takes_it_with_pirack_s_own(make_prometheus_folder: Callable[[], Path]) -> None:
    home = make_prometheus_folder()
    (home / "prometheus.yml").write_text(yaml.safe_dump(configuration()))
    secret = home / "secrets" / "metrics"
    secret.parent.mkdir()
    secret.write_text("a password")
    promtool = find("promtool")
    ended = subprocess.run(
        [promtool.path, "check", "config", home / "prometheus.yml"],
        env=promtool.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_the_dashboard_of_all_racks_asks_for_nothing_else() -> None:
    kept = re.compile(configuration()["remote_write"][0]["write_relabel_configs"][0]["regex"])
    text = (ROOT / "grafana" / "dashboards" / "pirack-racks.json").read_text()
    asked = set(re.findall(r"rack_stack_slot:[a-z_:]+|pirack_[a-z0-9_]+|ALERTS", text))
    queries = {name for name in asked if name != "pirack_"}
    assert queries
    assert [name for name in queries if not kept.fullmatch(name)] == []


def test_every_series_in_the_list_is_one_that_pirack_has() -> None:
    regex = configuration()["remote_write"][0]["write_relabel_configs"][0]["regex"]
    documented = (ROOT / "docs" / "metrics.md").read_text()
    assert [
        name for name in regex.split("|") if name != "ALERTS" and f"`{name}`" not in documented
    ] == []


@contextmanager
def fake_exporter() -> Iterator[str]:
    """Something that tells what a rasp's exporter tells."""

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


def is_reachable(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(url, timeout=5).ok
    return False


def list_series(url: str) -> list[Mapping[str, str]]:
    asked = requests.get(
        f"{url}/api/v1/series", params={"match[]": '{__name__!=""}'}, timeout=10
    ).json()
    found: list[Mapping[str, str]] = asked["data"]
    return found


def test_only_what_is_in_the_list_arrives_and_tells_where_from(
    make_prometheus_folder: Callable[[], Path], tmp_path: Path
) -> None:
    (tmp_path / "prometheus.yml").write_text("{}")
    home = make_prometheus_folder()
    changed = configuration(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
    with (
        running_prometheus(tmp_path, "--web.enable-remote-write-receiver") as engine,
        fake_exporter() as rasp,
    ):
        [sent] = changed["remote_write"]
        del sent["basic_auth"]
        sent["url"] = f"{engine}/api/v1/write"
        (home / "prometheus.yml").write_text(yaml.safe_dump(changed))
        place = {"rack": "room-5", "stack": "03", "slot": "2", "rasp": "03-2"}
        (home / "targets" / "rasp.json").write_text(
            json.dumps([{"targets": [rasp], "labels": place}])
        )
        with running_prometheus(home):
            wanted = {
                "rack_stack_slot:pirack_rasp_state:max",
                "pirack_cpu_temperature_celsius",
                "pirack_alias_success",
            }
            wait_until(lambda: wanted <= {each["__name__"] for each in list_series(engine)})
            arrived = list_series(engine)
    kept = re.compile(sent["write_relabel_configs"][0]["regex"])
    assert [each for each in arrived if not kept.fullmatch(each["__name__"])] == []
    [temperature] = [
        each for each in arrived if each["__name__"] == "pirack_cpu_temperature_celsius"
    ]
    external = changed["global"]["external_labels"]
    assert temperature == {"__name__": temperature["__name__"], **place, **external}
