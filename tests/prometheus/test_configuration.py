"""What the programs' own checkers say of the files in `prometheus/`."""

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
from tools.programs import find
from virtual_rack.demo.speed_up import WAIT_KEYS, shorten_durations

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
        timeout=60,
        check=False,
    )


def test_promtool_accepts_the_configuration_with_the_documented_target_files_beside_it(
    make_prometheus_folder: Callable[[], Path], documented_targets: dict[str, Any]
) -> None:
    home = make_prometheus_folder()
    for name, groups in documented_targets.items():
        (home / "targets" / name).write_text(json.dumps(groups))
    checked = run("promtool", "check", "config", home / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout
    assert "does not exist" not in checked.stdout, checked.stdout


def test_the_controller_writes_the_target_files_as_documented(
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


def test_promtool_refuses_a_target_file_of_another_format(
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
def test_the_rules_keep_what_their_tests_say(rule_tests: Path) -> None:
    tested = run("promtool", "test", "rules", rule_tests)
    assert tested.returncode == 0, tested.stdout


def test_every_file_of_rules_has_a_file_of_tests() -> None:
    names = [path.name for path in RULES]
    names.remove("thresholds.yml")  # plain numbers, which the others' tests use
    assert names == [path.name for path in RULE_TESTS]


def test_a_rule_with_another_threshold_fails_its_test(tmp_path: Path) -> None:
    for folder in ("rules", "tests"):
        shutil.copytree(FILES / folder, tmp_path / folder)
    thresholds = (FILES / "rules" / "thresholds.yml").read_text()
    (tmp_path / "rules" / "thresholds.yml").write_text(thresholds.replace("(60)", "(61)"))
    tested = run("promtool", "test", "rules", tmp_path / "tests" / "state.yml")
    assert tested.returncode != 0


def test_blackbox_exporter_accepts_its_configuration() -> None:
    checked = run("blackbox_exporter", "--config.file", FILES / "blackbox.yml", "--config.check")
    assert checked.returncode == 0, checked.stdout


def test_a_ping_that_times_out_still_answers_its_scrape() -> None:
    scrape = yaml.safe_load((FILES / "prometheus.yml").read_text())["global"]["scrape_timeout"]
    modules = yaml.safe_load((FILES / "blackbox.yml").read_text())["modules"]
    for module in modules.values():
        assert int(module["timeout"].removesuffix("s")) < int(scrape.removesuffix("s"))


def test_amtool_accepts_alertmanagers_configuration() -> None:
    checked = run("amtool", "check-config", FILES / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [
        ("critical", "controller,people"),
        ("warning", "controller,people"),
        ("page", "people"),  # of a rule that is not PiRack's
        ("info", "controller,nobody"),
        ("none", "nobody"),
    ],
)
def test_people_are_told_what_they_should_look_at_and_nothing_else(
    severity: str, receiver: str
) -> None:
    labels = ["alertname=PiRackRaspDown", "rack=pirack", "stack=03", f"severity={severity}"]
    routed = run(
        "amtool", "config", "routes", "test", "--config.file", FILES / "alertmanager.yml", *labels
    )
    assert routed.stdout.splitlines()[-1] == receiver


def test_the_controller_waits_for_the_watchdog_and_nobody_else_hears_of_it() -> None:
    labels = ["alertname=PiRackWatchdog", "severity=none"]
    file = FILES / "alertmanager.yml"
    routed = run("amtool", "config", "routes", "test", "--config.file", file, *labels)
    assert routed.stdout.splitlines()[-1] == "controller"


def test_nobody_outside_of_the_master_is_told_until_somebody_is_named() -> None:
    receivers = yaml.safe_load((FILES / "alertmanager.yml").read_text())["receivers"]
    by_name = {each["name"]: each for each in receivers}
    assert by_name.pop("controller")["webhook_configs"][0]["url"].startswith("http://127.0.0.1:")
    assert list(by_name.values()) == [{"name": "nobody"}, {"name": "people"}]


def test_what_explains_an_alert_has_time_to_arrive_before_it_is_told() -> None:
    def routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield route
        for each in route.get("routes", []):
            yield from routes(route | {"routes": []} | each)

    tree = yaml.safe_load((FILES / "alertmanager.yml").read_text())["route"]
    for route in routes(tree):
        if route["receiver"] == "people":
            assert int(route["group_wait"].removesuffix("s")) >= 30
            assert route["group_by"] == ["rack", "stack"]


def test_amtool_accepts_every_receiver_of_the_documentation(tmp_path: Path) -> None:
    document = (FILES.parent / "docs" / "alerts.md").read_text()
    configuration = (FILES / "alertmanager.yml").read_text()
    snippets = re.findall(r"^```yaml\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    receivers = [each for each in snippets if each.startswith("  - name: ")]
    (route,) = (each for each in snippets if each.startswith("    - receiver: "))
    assert len(receivers) == 4
    for receiver in receivers:
        mine = configuration
        if receiver.startswith("  - name: people"):
            mine = mine.replace("  - name: people\n", receiver)
        else:
            mine = mine.replace("  routes:\n", f"  routes:\n{route}") + receiver
        file = tmp_path / "alertmanager.yml"
        # url_file came with Alertmanager 0.26.
        file.write_text(mine.replace("url_file: secrets/outside", "url: https://example.org"))
        checked = run("amtool", "check-config", file)
        assert checked.returncode == 0, checked.stdout


def test_time_runs_faster_in_the_demo_and_nothing_else_changes() -> None:
    for file in (FILES / "alertmanager.yml", *RULES):
        text = file.read_text()
        patient, quick = yaml.safe_load(text), yaml.safe_load(shorten_durations(text, 6))
        assert _without_durations(patient) == _without_durations(quick)
    quick = yaml.safe_load(shorten_durations((FILES / "alertmanager.yml").read_text(), 6))["route"]
    assert (quick["group_wait"], quick["group_interval"]) == ("5000ms", "50000ms")


def _without_durations(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_durations(each) for key, each in value.items() if key not in WAIT_KEYS
        }
    return list(map(_without_durations, value)) if isinstance(value, list) else value
