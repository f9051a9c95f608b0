"""The alerts and issues of an earlier time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.alerts.past import PastAlerts, build_past_alerts, fingerprint, render
from controller.errors import UnknownMomentError
from controller.state.issues import AlertList
from controller.state.prometheus import AlertRule, Prometheus, Sample
from tests.controller.fakes import RACK
from tests.controller.recorded_prometheus import RecordedPrometheus, recorded_prometheus
from tests.controller.state.test_prometheus import http_server_answering

MOMENT = 1_795_960_740.0
URL = "http://10.23.0.1:8080/"
WATCHDOG = {"alertname": "PiRackWatchdog", "severity": "none"}


def shipped_rules() -> list[AlertRule]:
    rules: list[AlertRule] = []
    for path in sorted(Path("prometheus/rules").glob("*.yml")):
        groups: Any = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        rules += [
            AlertRule(rule["alert"], rule["labels"]["severity"], 60.0, rule["annotations"])
            for group in groups
            for rule in group["rules"]
            if "alert" in rule
        ]
    return rules


RULES = shipped_rules()


def labels_of(name: str, severity: str = "critical", **places: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity, "rack": "pirack", **places}


def past_alerts(*firing: dict[str, str], active_since: float = MOMENT - 600) -> AlertList:
    samples = [Sample({"__name__": "pirack:controller:info", "url": URL}, 1.0)]
    for labels in firing:
        samples += [
            Sample({"__name__": "ALERTS", "alertstate": "firing", **labels}, 1.0),
            Sample({"__name__": "ALERTS_FOR_STATE", **labels}, active_since),
        ]
    return build_past_alerts(MOMENT, samples, RULES, RACK)


RASPS_DOWN = [labels_of("PiRackRaspDown", stack="09", rasp=f"09-{i}") for i in range(1, 5)]


def test_stack_that_was_down_is_an_issue_with_its_texts_and_its_start() -> None:
    stack_down = labels_of("PiRackStackDown", stack="09")
    alerts = past_alerts(WATCHDOG, *RASPS_DOWN, stack_down)
    [issue] = alerts.issues
    assert (issue.cause.summary, issue.rasps[0], issue.order) == ("Stack 09 is down", "09-1", None)
    assert issue.cause.description.startswith("None of the … rasps of stack 09 of rack pirack")
    assert issue.cause.annotations["runbook_url"] == f"{URL}runbooks/PiRackStackDown"
    assert issue.cause.started_at == MOMENT - 540  # the condition is true for a minute before
    assert [alert.summary for alert in issue.explains] == [f"09-{i} is down" for i in range(1, 5)]
    assert [alert.is_inhibited for alert in alerts.alerts].count(True) == 4
    assert (alerts.issue_count, alerts.error) == ("1 issue", "")


def test_alerts_of_a_stack_that_was_in_use_are_no_issues() -> None:
    alerts = past_alerts(WATCHDOG, *RASPS_DOWN, labels_of("PiRackStackBusy", "none", stack="09"))
    assert (alerts.issues, alerts.issue_count) == ((), "no issues")
    assert len(alerts.alerts) == 4


def test_issues_are_unknown_without_the_alert_that_always_fires() -> None:
    alerts = past_alerts()
    assert alerts.issue_count == "issues unknown"
    assert alerts.error.startswith("Prometheus evaluated no alerts at this time")


def test_alert_of_a_rule_that_no_longer_exists_has_its_name() -> None:
    [issue] = past_alerts(WATCHDOG, labels_of("BatteryLow", "page")).issues
    assert (issue.cause.summary, issue.cause.started_at) == ("BatteryLow", MOMENT - 600)


def test_alert_started_at_the_latest_at_the_moment_at_which_it_fires() -> None:
    labels = labels_of("PiRackStackDown", stack="09")
    [issue] = past_alerts(WATCHDOG, labels, active_since=MOMENT - 5).issues
    assert issue.cause.started_at == MOMENT


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.severity != "none"], ids=lambda rule: rule.name
)
def test_summary_and_runbook_of_each_rule_are_known_in_the_past(rule: AlertRule) -> None:
    labels = labels_of(rule.name, rule.severity, stack="09", rasp="09-1", slot="1")
    samples = [
        Sample({"__name__": "pirack:controller:info", "url": URL}, 1.0),
        *(
            Sample({"__name__": "ALERTS", "alertstate": "firing", **each}, 1.0)
            for each in (WATCHDOG, labels)
        ),
    ]
    [alert] = build_past_alerts(MOMENT, samples, [rule], RACK).alerts
    assert alert.annotations["summary"]
    assert "{{" not in "".join(alert.annotations.values())
    assert alert.annotations["runbook_url"] == f"{URL}runbooks/{rule.name}"


def test_text_that_contains_a_query_is_omitted() -> None:
    assert render('{{ range query "up" }}x{{ end }} of {{ $labels.rasp }}', {"rasp": "03-2"}) == ""
    assert render("{{ humanize $value }} on {{ $labels.rasp }}", {"rasp": "{{x}}"}) == "… on {{x}}"


def test_fingerprint_is_that_of_alertmanager() -> None:
    labels = labels_of("PiRackRaspDown", stack="09", slot="2", rasp="09-2")
    assert fingerprint(labels) == "28a96d314715a7c8"  # as Alertmanager lists it


def test_issues_are_unknown_while_prometheus_is_unavailable() -> None:
    alerts = PastAlerts(RACK, Prometheus("http://127.0.0.1:1")).read(MOMENT - 60)
    assert alerts.issue_count == "issues unknown"
    assert "cannot be reached" in alerts.error


@pytest.mark.parametrize("moment", [4e9, -1.0])
def test_times_without_a_state_are_rejected(moment: float) -> None:
    with pytest.raises(UnknownMomentError):
        PastAlerts(RACK, Prometheus("http://127.0.0.1:1")).read(moment)


@pytest.fixture
def recorded() -> Iterator[RecordedPrometheus]:
    """Samples in which the alert of 03-2 fired from 18 until 10 minutes ago."""
    samples = RecordedPrometheus(RACK, MOMENT - 1200, MOMENT - 600)
    with recorded_prometheus(samples) as recorded:
        yield recorded


def test_alerts_that_cannot_change_any_more_are_read_once(recorded: RecordedPrometheus) -> None:
    reader = PastAlerts(RACK, Prometheus(recorded.url), clock=lambda: MOMENT)
    during, after = reader.read(MOMENT - 900), reader.read(MOMENT - 300)
    assert (during.issue_count, after.issue_count) == ("1 issue", "no issues")
    assert reader.read(MOMENT - 900) is during
    assert recorded.alert_moments == [MOMENT - 900, MOMENT - 300]


def test_recent_alerts_are_read_again(recorded: RecordedPrometheus) -> None:
    reader = PastAlerts(RACK, Prometheus(recorded.url), clock=lambda: MOMENT)
    for _ in range(2):
        reader.read(MOMENT - 59)
    assert recorded.alert_moments == [MOMENT - 59] * 2


def test_alerts_that_could_not_be_read_are_read_again() -> None:
    answers = [(503, b"starting"), (200, b'{"data": {"resultType": "vector", "result": []}}')]
    rules = (200, b'{"data": {"groups": []}}')

    def answer(path: str) -> tuple[int, bytes]:
        return rules if "rules" in path else answers.pop(0)

    with http_server_answering(answer) as url:
        reader = PastAlerts(RACK, Prometheus(url), clock=lambda: MOMENT)
        assert "HTTP 503" in reader.read(MOMENT - 900).error
        assert reader.read(MOMENT - 900).error.startswith("Prometheus evaluated no alerts")
    assert answers == []
