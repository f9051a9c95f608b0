"""Every alert has its runbook, its tests and its words, and every runbook has its alert."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.__main__ import pirack
from exporter.aliases import DEFAULT_PATH, load

RUNBOOKS = Path("docs/runbooks")
RUNBOOK_SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
SEVERITIES = {"critical", "warning", "info", "none"}


def rules() -> Iterator[dict[str, Any]]:
    for path in sorted(Path("prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def alert_tests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each test of an alert, with the title of the test that it stands in."""
    for path in sorted(Path("prometheus/tests").glob("*.yml")):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for each in test.get("alert_rule_test", []):
                yield test["name"], each


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
THRESHOLDS = {rule["record"]: rule for rule in rules() if "threshold" in rule.get("record", "")}
ALERTS_PAGE = Path("docs/alerts.md").read_text(encoding="utf-8")

each_alert = pytest.mark.parametrize("name", ALERTS)


@each_alert
def test_an_alert_says_how_bad_it_is_what_is_wrong_with_whom_and_where_help_is(name: str) -> None:
    alert = ALERTS[name]
    assert re.fullmatch(r"PiRack([A-Z][a-z]+)+", name)
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in SEVERITIES
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"{RUNBOOKS}/{name}.md"
    assert "$value" in annotations["description"] or name == "PiRackControllerDown"


@each_alert
def test_an_alert_has_a_test_in_which_it_fires_and_one_in_which_it_must_not(name: str) -> None:
    expected = [bool(test["exp_alerts"]) for _, test in alert_tests() if test["alertname"] == name]
    assert True in expected, "it fires in no test"
    # The dead man's switch has nothing that it must be silent about.
    assert False in expected or name == "PiRackWatchdog", "it is silent in no test"


@each_alert
def test_a_firing_alert_is_tested_with_its_text(name: str) -> None:
    for title, test in alert_tests():
        if test["alertname"] == name:
            for alert in test["exp_alerts"]:
                assert alert["exp_annotations"]["description"], title


def test_no_test_is_of_an_alert_that_is_not_there() -> None:
    assert {test["alertname"] for _, test in alert_tests()} == set(ALERTS)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.iterdir()} == set(ALERTS)


@each_alert
def test_a_runbook_says_what_it_means_what_suffers_where_to_look_and_what_helps(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert re.findall(r"^# (.+)$", text, re.MULTILINE) == [name]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == RUNBOOK_SECTIONS
    sections = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert [section for section in sections if not section.strip()] == []


def test_every_alert_is_documented_with_its_severity_and_patience() -> None:
    rows = re.findall(
        r"^\| \[`(\w+)`\]\((\S+)\) \| (\w+) \| ([^|]*?) ?\|", ALERTS_PAGE, re.MULTILINE
    )
    documented = {name: (link, severity, after) for name, link, severity, after in rows}
    words = {"h": " h", "m": " min"}
    assert documented == {
        name: (
            f"runbooks/{name}.md",
            alert["labels"]["severity"],
            re.sub(r"[hm]$", lambda unit: words[unit[0]], alert.get("for", "")),
        )
        for name, alert in ALERTS.items()
    }


def test_every_threshold_is_documented_with_its_value() -> None:
    rows = re.findall(r"^\| `(pirack:threshold:\w+)` \| ([\d.]+) \|", ALERTS_PAGE, re.MULTILINE)
    assert dict(rows) == {
        name: rule["expr"].removeprefix("vector(").removesuffix(")")
        for name, rule in THRESHOLDS.items()
    }


def test_every_number_that_a_rule_compares_with_is_a_threshold() -> None:
    """Beside counts, shares of one half, and the words for yes and no."""
    for alert in ALERTS.values():
        numbers = re.findall(r"(?:[<>]=?|==|!=)\s*(-?[\d.]+)", alert["expr"])
        assert set(numbers) <= {"0", "1", "0.5"}, alert["alert"]


def test_every_threshold_is_used() -> None:
    used = "\n".join(str(rule["expr"]) for rule in rules())
    for name in THRESHOLDS:
        assert f"scalar({name})" in used


def test_every_metric_that_a_rule_asks_for_is_one_that_there_is() -> None:
    """docs/metrics.md has all of them: see test_docs.py."""
    asked = {name for rule in rules() for name in re.findall(r"\bpirack_\w+", str(rule["expr"]))}
    metrics = Path("docs/metrics.md").read_text(encoding="utf-8")
    assert {
        name for name in asked if f"`{name}`" not in metrics and f":{name}:" not in metrics
    } == set()


def runbook_commands() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in RUNBOOKS.iterdir())
    return {words for text in texts for words in re.findall(r"`pirack ([^`]+)`", text)}


@pytest.mark.parametrize("words", sorted(runbook_commands()))
def test_a_command_of_a_runbook_is_one_that_pirack_understands(words: str) -> None:
    name, *arguments = shlex.split(words)
    command = pirack.commands[name]
    given = command.make_context(name, arguments, parent=click.Context(pirack)).params
    if name == "run":
        assert given["name"] in load(DEFAULT_PATH).actions
