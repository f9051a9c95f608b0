"""Tests that alerts, their tests, their runbooks and their documentation agree."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.__main__ import pirack
from controller.pages.runbooks import runbook_names
from exporter.aliases import DEFAULT_PATH, load

RUNBOOKS = Path("docs/runbooks")
RUNBOOK_SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
CONTROLLER_URL = '{{ with query "pirack:controller:info" }}{{ . | first | label "url" }}{{ end }}'
"""Template of the address that prometheus/rules/thresholds.yml sets."""
SEVERITIES = {"critical", "warning", "info", "none"}


def rules() -> Iterator[dict[str, Any]]:
    for path in sorted(Path("prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


@cache
def alert_tests() -> list[tuple[str, dict[str, Any]]]:
    """Return the title and the content of each alert test."""
    return [
        (test["name"], alert_test)
        for path in sorted(Path("prometheus/tests").glob("*.yml"))
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for alert_test in test.get("alert_rule_test", [])
    ]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
THRESHOLDS = {rule["record"]: rule for rule in rules() if "threshold" in rule.get("record", "")}
ALERTS_PAGE = Path("docs/reference/alerts.md").read_text(encoding="utf-8")

each_alert = pytest.mark.parametrize("name", ALERTS)


@each_alert
def test_alert_has_severity_summary_description_and_runbook(name: str) -> None:
    alert = ALERTS[name]
    assert re.fullmatch(r"PiRack([A-Z][a-z]+)+", name)
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in SEVERITIES
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"{CONTROLLER_URL}runbooks/{name}"
    assert "$value" in annotations["description"] or name == "PiRackControllerDown"


@each_alert
def test_alert_has_a_test_that_fires_and_a_test_that_does_not(name: str) -> None:
    expected = [bool(test["exp_alerts"]) for _, test in alert_tests() if test["alertname"] == name]
    assert True in expected, "no test in which the alert fires"
    # PiRackWatchdog always fires.
    assert False in expected or name == "PiRackWatchdog", "no test in which the alert does not fire"


@each_alert
def test_firing_alert_is_tested_with_its_description(name: str) -> None:
    for title, test in alert_tests():
        if test["alertname"] == name:
            for alert in test["exp_alerts"]:
                assert alert["exp_annotations"]["description"], title


def test_alert_tests_refer_to_existing_alerts() -> None:
    assert {test["alertname"] for _, test in alert_tests()} == set(ALERTS)


def test_each_alert_has_one_runbook_that_the_controller_serves() -> None:
    assert {path.stem for path in RUNBOOKS.iterdir()} == set(ALERTS)
    assert runbook_names() == set(ALERTS)


@each_alert
def test_runbook_has_all_sections(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert re.findall(r"^# (.+)$", text, re.MULTILINE) == [name]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == RUNBOOK_SECTIONS
    sections = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert [section for section in sections if not section.strip()] == []


def test_every_alert_is_documented_with_its_severity_and_duration() -> None:
    rows = re.findall(
        r"^\| \[`(\w+)`\]\((\S+)\) \| (\w+) \| ([^|]*?) ?\|", ALERTS_PAGE, re.MULTILINE
    )
    documented = {name: (link, severity, duration) for name, link, severity, duration in rows}
    units = {"h": " h", "m": " min"}
    assert documented == {
        name: (
            f"../runbooks/{name}.md",
            alert["labels"]["severity"],
            re.sub(r"[hm]$", lambda unit: units[unit[0]], alert.get("for", "")),
        )
        for name, alert in ALERTS.items()
    }


def test_every_threshold_is_documented_with_its_value() -> None:
    rows = re.findall(r"^\| `(pirack:threshold:\w+)` \| ([\d.]+) \|", ALERTS_PAGE, re.MULTILINE)
    assert dict(rows) == {
        name: rule["expr"].removeprefix("vector(").removesuffix(")")
        for name, rule in THRESHOLDS.items()
    }


def test_alert_rules_compare_with_thresholds_only() -> None:
    """A rule may also compare with a count, a Boolean value or one half."""
    for alert in ALERTS.values():
        numbers = re.findall(r"(?:[<>]=?|==|!=)\s*(-?[\d.]+)", alert["expr"])
        assert set(numbers) <= {"0", "1", "0.5"}, alert["alert"]


def test_every_threshold_is_used() -> None:
    expressions = "\n".join(str(rule["expr"]) for rule in rules())
    for name in THRESHOLDS:
        assert f"scalar({name})" in expressions


def test_rules_use_documented_metrics() -> None:
    """test_docs.py checks that docs/reference/metrics.md is complete."""
    names = {name for rule in rules() for name in re.findall(r"\bpirack_\w+", str(rule["expr"]))}
    metrics = Path("docs/reference/metrics.md").read_text(encoding="utf-8")
    assert {
        name for name in names if f"`{name}`" not in metrics and f":{name}:" not in metrics
    } == set()


def runbook_commands() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in RUNBOOKS.iterdir())
    return {line for text in texts for line in re.findall(r"`pirack ([^`]+)`", text)}


@pytest.mark.parametrize("command_line", sorted(runbook_commands()))
def test_runbook_commands_are_valid(command_line: str) -> None:
    name, *arguments = shlex.split(command_line)
    command = pirack.commands[name]
    parameters = command.make_context(name, arguments, parent=click.Context(pirack)).params
    if name == "run":
        assert parameters["name"] in load(DEFAULT_PATH).actions
