"""Tests of how alerts become issues."""

from pathlib import Path

import pytest
import yaml

from controller.state.alert import Alert
from controller.state.inhibition import INHIBIT_RULES
from controller.state.issues import AlertList, Issue, IssueOrder, build_issues
from rack.layout_file import parse
from tests.controller.fakes import RACK
from tests.controller.orders.outlet_lab import POWER_TABLE, STACKS
from tests.helpers.layouts import layout_text

RACK_WITH_PLUGS = parse(layout_text(STACKS, name="pirack", extra_tables=POWER_TABLE))
"""Two rasps in each stack. Those of stacks 1 and 2 have outlets of their own."""


def firing(
    name: str,
    *,
    severity: str = "critical",
    inhibited_by: tuple[str, ...] = (),
    is_silenced: bool = False,
    **labels: str,
) -> Alert:
    """Return an alert whose fingerprint is its name and its target."""
    return Alert(
        f"{name} {labels.get('rasp') or labels.get('stack', '')}".strip(),
        {"alertname": name, "severity": severity, "rack": "pirack", **labels},
        {"summary": f"summary of {name}"},
        1000.0,
        is_silenced=is_silenced,
        inhibited_by=inhibited_by,
    )


def rasp_down(rasp: str, *, inhibited_by: tuple[str, ...] = ()) -> Alert:
    return firing("PiRackRaspDown", stack=rasp[:2], rasp=rasp, inhibited_by=inhibited_by)


STACK_DOWN = firing("PiRackStackDown", stack="09")
RASPS_OF_9 = tuple(f"09-{slot}" for slot in range(1, 5))


def causes(issues: tuple[Issue, ...]) -> dict[str, list[str]]:
    """Return the alerts that each issue explains."""
    return {
        issue.cause.fingerprint: [alert.fingerprint for alert in issue.explains] for issue in issues
    }


@pytest.mark.parametrize("inhibited_by", [("PiRackStackDown 09",), ()])
def test_stack_that_is_down_is_one_issue_that_explains_its_four_rasps(
    inhibited_by: tuple[str, ...],
) -> None:
    """Alertmanager marks the alerts of the rasps, but not in the notifications of its webhook."""
    rasps = [rasp_down(rasp, inhibited_by=inhibited_by) for rasp in reversed(RASPS_OF_9)]
    issues = build_issues([*rasps, rasp_down("03-2"), STACK_DOWN], RACK)
    assert causes(issues) == {
        "PiRackRaspDown 03-2": [],
        "PiRackStackDown 09": [f"PiRackRaspDown {rasp}" for rasp in RASPS_OF_9],
    }
    assert [issue.rasps for issue in issues] == [("03-2",), RASPS_OF_9]


def test_alert_that_a_symptom_would_explain_belongs_to_the_first_cause() -> None:
    very_hot = firing("PiRackRaspVeryHot", stack="09", rasp="09-1")
    hot = firing("PiRackRaspHot", severity="warning", stack="09", rasp="09-1")
    assert causes(build_issues([very_hot, hot], RACK)) == {
        "PiRackRaspVeryHot 09-1": ["PiRackRaspHot 09-1"]
    }
    assert causes(build_issues([very_hot, hot, STACK_DOWN], RACK)) == {
        "PiRackStackDown 09": ["PiRackRaspHot 09-1", "PiRackRaspVeryHot 09-1"]
    }


def test_alerts_of_another_stack_rasp_or_rack_are_not_explained() -> None:
    others = [
        rasp_down("08-1"),
        firing("PiRackRaspDown", stack="09", rasp="09-1", rack="west"),
        firing("PiRackRaspHot", stack="07", rasp="07-1"),
        firing("PiRackRaspVeryHot", stack="07", rasp="07-2"),
    ]
    assert len(build_issues([STACK_DOWN, *others], RACK)) == 5


@pytest.mark.parametrize("name", ["PiRackStackPoweredOff", "PiRackStackBusy"])
def test_alerts_of_a_stack_that_is_off_on_purpose_or_in_use_are_no_issues(name: str) -> None:
    on_purpose = firing(name, severity="none", stack="09")
    marked = firing("PiRackStackDown", stack="09", inhibited_by=(on_purpose.fingerprint,))
    rasps = [rasp_down(rasp) for rasp in RASPS_OF_9]
    assert build_issues([marked, *rasps, on_purpose], RACK) == ()
    # The alert that inhibits others may not be listed.
    assert build_issues([marked, *rasps], RACK) == ()


def test_silenced_alerts_and_alerts_for_information_are_no_issues() -> None:
    silenced = firing("PiRackStackDown", stack="09", is_silenced=True)
    info = firing("PiRackSlotsEmpty", severity="info")
    alerts = (silenced, *(rasp_down(rasp) for rasp in RASPS_OF_9), info)
    assert build_issues(alerts, RACK) == ()
    assert AlertList(alerts).other_alerts == alerts


def test_alert_of_a_rule_that_pirack_does_not_contain_is_an_issue() -> None:
    [issue] = build_issues([firing("BatteryLow", severity="page")], RACK)
    assert (issue.rasps, issue.order) == ((), None)


def test_alerts_that_inhibit_each_other_stay_issues() -> None:
    one = firing("One", inhibited_by=("Two",))
    two = firing("Two", inhibited_by=("One",))
    assert len(build_issues([one, two], RACK)) == 2


@pytest.mark.parametrize(
    ("alert", "order"),
    [
        (STACK_DOWN, IssueOrder("power_cycle", "stack", 9, "stack 09")),
        (rasp_down("03-2"), IssueOrder("power_cycle", "stack", 3, "stack 03")),
        (
            firing("PiRackRaspExporterDown", stack="03", rasp="03-2"),
            IssueOrder("restart_exporter", "rasp", 10, "03-2"),
        ),
        (firing("PiRackRaspVeryHot", stack="03", rasp="03-2"), None),
        (firing("PiRackStackDown", stack="99"), None),
        (firing("PiRackRaspDown", stack="03", rasp="03-9", rack="west"), None),
    ],
)
def test_issue_has_the_order_that_its_runbook_recommends(
    alert: Alert, order: IssueOrder | None
) -> None:
    [issue] = build_issues([alert], RACK)
    assert issue.order == order


def test_rasp_with_an_outlet_of_its_own_is_power_cycled_alone() -> None:
    [own, shared] = build_issues([rasp_down("01-2"), rasp_down("03-1")], RACK_WITH_PLUGS)
    assert own.order == IssueOrder("power_cycle", "rasp", 2, "01-2")
    assert shared.order == IssueOrder("power_cycle", "stack", 3, "stack 03")


def test_number_of_issues_is_unknown_if_alertmanager_is_unavailable() -> None:
    issues = build_issues([STACK_DOWN, rasp_down("03-2")], RACK)
    assert AlertList(()).issue_count == "no issues"
    assert AlertList((), error="unreachable").issue_count == "issues unknown"
    assert AlertList((), issues[:1], "unreachable").issue_count == "1 issue"
    assert AlertList((), issues).issue_count == "2 issues"


def test_rules_are_those_of_alertmanager() -> None:
    def names(matchers: list[str]) -> str:
        [matcher] = matchers
        return matcher.partition("=")[2].removeprefix("~").strip().strip('"')

    text = Path("prometheus/alertmanager.yml").read_text(encoding="utf-8")
    assert [
        (names(rule["source_matchers"]), names(rule["target_matchers"]), tuple(rule["equal"]))
        for rule in yaml.safe_load(text)["inhibit_rules"]
    ] == [(rule.source, rule.target, rule.equal) for rule in INHIBIT_RULES]
