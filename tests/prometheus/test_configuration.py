"""Checks of the files in `prometheus/` with promtool, amtool and blackbox_exporter."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.prometheus_targets import ServiceAddresses, render
from rack.inventory import Rasp
from rack.layout_file import load
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import find
from virtual_rack.demo.speed_up import WAIT_KEYS, shorten_durations

pytestmark = pytest.mark.process

FILES = Path(__file__).parents[2] / "prometheus"
RULES = sorted(FILES.glob("rules/*.yml"))
RULE_TESTS = sorted(FILES.glob("tests/*.yml"))


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = find(name)
    return subprocess.run(
        [*program.command, *arguments],
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def test_promtool_accepts_the_configuration_with_the_documented_target_files(
    make_prometheus_folder: Callable[[], Path], documented_targets: dict[str, Any]
) -> None:
    home = make_prometheus_folder()
    for name, groups in documented_targets.items():
        (home / "targets" / name).write_text(json.dumps(groups))
    checked = run("promtool", "check", "config", home / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout
    assert "does not exist" not in checked.stdout, checked.stdout


def test_controller_writes_the_documented_target_files(
    documented_targets: dict[str, Any],
) -> None:
    rasp = Rasp(3, 2, "b8:27:eb:23:03:02", IPv4Address("127.23.3.2"))
    services = ServiceAddresses(
        controller="127.0.0.1:8080",
        prometheus="127.0.0.1:9090",
        blackbox="127.0.0.1:9115",
        alertmanager="127.0.0.1:9093",
        ping_method="tcp:9848",
    )
    assert render(load(FILES.parent / "rack.toml"), {(3, 2): rasp}, services) == documented_targets


def test_promtool_rejects_a_target_file_with_another_format(
    make_prometheus_folder: Callable[[], Path],
) -> None:
    home = make_prometheus_folder()
    (home / "targets" / "rasp.json").write_text('{"03-2": "127.23.3.2:9849"}')
    checked = run("promtool", "check", "config", home / "prometheus.yml")
    assert checked.returncode != 0


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.name)
def test_promtool_accepts_the_rules(rules: Path) -> None:
    checked = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("rule_tests", RULE_TESTS, ids=lambda path: path.name)
def test_rules_pass_their_tests(rule_tests: Path) -> None:
    tested = run("promtool", "test", "rules", rule_tests)
    assert tested.returncode == 0, tested.stdout


def test_every_rule_file_has_a_test_file() -> None:
    names = [path.name for path in RULES]
    names.remove("thresholds.yml")  # its constants are covered by the tests of the other rules
    assert names == [path.name for path in RULE_TESTS]


def test_rule_tests_fail_if_a_threshold_is_changed(tmp_path: Path) -> None:
    for folder in ("rules", "tests"):
        shutil.copytree(FILES / folder, tmp_path / folder)
    thresholds = (FILES / "rules" / "thresholds.yml").read_text()
    (tmp_path / "rules" / "thresholds.yml").write_text(thresholds.replace("(60)", "(61)"))
    tested = run("promtool", "test", "rules", tmp_path / "tests" / "rasp_state.yml")
    assert tested.returncode != 0


def test_blackbox_exporter_accepts_its_configuration() -> None:
    checked = run("blackbox_exporter", "--config.file", FILES / "blackbox.yml", "--config.check")
    assert checked.returncode == 0, checked.stdout


def test_ping_timeouts_are_shorter_than_the_scrape_timeout() -> None:
    scrape = yaml.safe_load((FILES / "prometheus.yml").read_text())["global"]["scrape_timeout"]
    modules = yaml.safe_load((FILES / "blackbox.yml").read_text())["modules"]
    for module in modules.values():
        assert int(module["timeout"].removesuffix("s")) < int(scrape.removesuffix("s"))


def test_amtool_accepts_the_configuration() -> None:
    checked = run("amtool", "check-config", FILES / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [
        ("critical", "controller,operators"),
        ("warning", "controller,operators"),
        ("page", "operators"),  # a rule that is not part of PiRack
        ("info", "controller,blackhole"),
        ("none", "blackhole"),
    ],
)
def test_alerts_are_routed_by_severity(severity: str, receiver: str) -> None:
    labels = ["alertname=PiRackRaspDown", "rack=pirack", "stack=03", f"severity={severity}"]
    routed = run(
        "amtool", "config", "routes", "test", "--config.file", FILES / "alertmanager.yml", *labels
    )
    assert routed.stdout.splitlines()[-1] == receiver


def test_watchdog_is_sent_to_the_controller_only() -> None:
    labels = ["alertname=PiRackWatchdog", "severity=none"]
    file = FILES / "alertmanager.yml"
    routed = run("amtool", "config", "routes", "test", "--config.file", file, *labels)
    assert routed.stdout.splitlines()[-1] == "controller"


def test_default_configuration_sends_alerts_to_the_controller_only() -> None:
    receivers = yaml.safe_load((FILES / "alertmanager.yml").read_text())["receivers"]
    by_name = {receiver["name"]: receiver for receiver in receivers}
    assert by_name.pop("controller")["webhook_configs"][0]["url"].startswith("http://127.0.0.1:")
    assert list(by_name.values()) == [{"name": "blackhole"}, {"name": "operators"}]


def test_group_wait_lets_inhibiting_alerts_arrive_first() -> None:
    def routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield route
        for child in route.get("routes", []):
            yield from routes(route | {"routes": []} | child)

    tree = yaml.safe_load((FILES / "alertmanager.yml").read_text())["route"]
    for route in routes(tree):
        if route["receiver"] == "operators":
            assert int(route["group_wait"].removesuffix("s")) >= 30
            assert route["group_by"] == ["rack", "stack"]


def test_amtool_accepts_every_documented_receiver(tmp_path: Path) -> None:
    document = (FILES.parent / "docs" / "reference" / "alerts.md").read_text()
    configuration = (FILES / "alertmanager.yml").read_text()
    snippets = re.findall(r"^```yaml\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    receivers = [snippet for snippet in snippets if snippet.startswith("  - name: ")]
    (route,) = (snippet for snippet in snippets if snippet.startswith("    - receiver: "))
    assert len(receivers) == 4
    for receiver in receivers:
        if receiver.startswith("  - name: operators"):
            edited = configuration.replace("  - name: operators\n", receiver)
        else:
            edited = configuration.replace("  routes:\n", f"  routes:\n{route}") + receiver
        file = tmp_path / "alertmanager.yml"
        # Versions of Alertmanager before 0.26 do not support url_file.
        file.write_text(edited.replace("url_file: secrets/watchdog", "url: https://example.org"))
        checked = run("amtool", "check-config", file)
        assert checked.returncode == 0, checked.stdout


def test_demo_shortens_durations_and_changes_nothing_else() -> None:
    for file in (FILES / "alertmanager.yml", *RULES):
        text = file.read_text()
        original, shortened = yaml.safe_load(text), yaml.safe_load(shorten_durations(text, 6))
        assert _without_durations(original) == _without_durations(shortened)
    text = (FILES / "alertmanager.yml").read_text()
    route = yaml.safe_load(shorten_durations(text, 6))["route"]
    assert (route["group_wait"], route["group_interval"]) == ("5000ms", "50000ms")


def _without_durations(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_durations(item) for key, item in value.items() if key not in WAIT_KEYS
        }
    return list(map(_without_durations, value)) if isinstance(value, list) else value
