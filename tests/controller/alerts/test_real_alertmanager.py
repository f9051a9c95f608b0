"""Real Alertmanager with PiRack's configuration, its password, and the controller's webhook."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import yaml

from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailableError
from controller.alerts.received import ReceivedAlerts
from controller.alerts.schemas import MAX_ALERTS
from controller.alerts.secret import USER, WEB_CONFIG, basic_authorization, load_or_create
from controller.alerts.service import AlertService
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until
from tests.prometheus.test_scraping import running_program
from tools.programs import find
from virtual_rack.demo.speed_up import shorten_durations

pytestmark = pytest.mark.process

CONFIGURATION = Path("prometheus/alertmanager.yml")
LONGEST_LABEL = 256  # label_value_length_limit in prometheus.yml
FOREIGN_ORIGIN = {"Origin": "http://evil.example"}


@contextmanager
def running_alertmanager(folder: Path, secret: str, webhook: str) -> Iterator[str]:
    """Run Alertmanager with shortened durations. Yield its address."""
    address = f"127.0.0.1:{free_port()}"
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "alerts").write_text(secret)
    load_or_create(secrets / "alerts")
    text = shorten_durations(CONFIGURATION.read_text(), 60)
    (folder / "alertmanager.yml").write_text(text.replace("http://127.0.0.1:8080", webhook))
    arguments = (
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        f"--web.config.file={secrets / WEB_CONFIG}",
        "--cluster.listen-address=",
    )
    with running_program("alertmanager", f"http://{address}/-/ready", folder, *arguments):
        yield address


def alert(name: str, **labels: str) -> dict[str, object]:
    common = {"rack": "pirack", "stack": "03", "severity": "warning"}
    text = "x" * 500
    return {
        "labels": {"alertname": name, **common, **labels},
        "annotations": {"summary": text, "description": text, "runbook_url": "docs"},
        "startsAt": datetime.now(UTC).isoformat(),
        "generatorURL": f"http://127.0.0.1:9090/graph?g0.expr={text}",
    }


def test_alert_of_a_neighbor_arrives_beside_the_largest_alerts_of_a_rasp(
    tmp_path: Path, url: str, alert_service: AlertService, received_alerts: ReceivedAlerts
) -> None:
    largest = [
        alert(f"PiRackLong{number:03}", rasp="03-2", alias="x" * LONGEST_LABEL)
        for number in range(MAX_ALERTS - 1)
    ]
    alerts = [*largest, alert("PiRackRaspDown", rasp="03-1")]
    assert len(json.dumps(alerts)) > 180_000
    with running_alertmanager(tmp_path, alert_service.secret, url) as address:
        response = requests.post(
            f"http://{address}/api/v2/alerts",
            json=alerts,
            auth=(USER, alert_service.secret),
            timeout=TIMEOUT_SECONDS,
        )
        assert response.ok, response.text
        wait_until(
            lambda: (
                {"PiRackRaspDown", "PiRackLong000"}
                <= {received.name for received in received_alerts.firing()}
            )
        )


def test_page_of_another_site_cannot_use_alertmanager(tmp_path: Path) -> None:
    secret = "a-secret-of-20-characters"
    with running_alertmanager(tmp_path, secret, "http://127.0.0.1:1") as address:
        silence = f"http://{address}/api/v2/silences"
        for method, url in (
            ("GET", f"http://{address}/api/v2/alerts"),
            ("POST", f"http://{address}/api/v2/alerts"),
            ("POST", silence),
            ("POST", f"http://{address}/-/reload"),
        ):
            response = requests.request(
                method, url, json=[], headers=FOREIGN_ORIGIN, timeout=TIMEOUT_SECONDS
            )
            assert response.status_code == 401
        wrong = requests.get(silence, auth=(USER, "wrong"), timeout=TIMEOUT_SECONDS)
        assert wrong.status_code == 401
        assert Alertmanager(address, basic_authorization(secret)).alerts() == []
        with pytest.raises(AlertmanagerUnavailableError, match="HTTP 401"):
            Alertmanager(address, {}).alerts()


def test_amtool_of_a_master_uses_the_password(tmp_path: Path) -> None:
    home, amtool = tmp_path / "home", find("amtool")
    config = home / ".config" / "prometheus"
    config.mkdir(parents=True)
    secret = "a-secret-of-20-characters"
    with running_alertmanager(tmp_path, secret, "http://127.0.0.1:1") as address:
        for name in ("amtool.yml", "amtool-http.yml"):
            text = (Path("deploy/master") / name).read_text().replace("127.0.0.1:9093", address)
            text = text.replace("/etc/prometheus/", f"{config}/")
            text = text.replace("/etc/pirack/prometheus", str(tmp_path))
            (config / name).write_text(text)
        command = [*amtool.command, "silence", "add", "alertname=A", "--comment=c", "--author=me"]
        completed = subprocess.run(
            command,
            env={**os.environ, **amtool.environment, "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    assert (completed.returncode, completed.stderr) == (0, "")


def test_alertmanager_sends_as_many_alerts_as_the_webhook_accepts() -> None:
    receivers = yaml.safe_load(CONFIGURATION.read_text())["receivers"]
    [webhook] = [
        webhook for receiver in receivers for webhook in receiver.get("webhook_configs", ())
    ]
    assert webhook["max_alerts"] == MAX_ALERTS
