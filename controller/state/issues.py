"""Issues of the rack: alerts that no other alert explains, with the alerts that they explain."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from controller.state.alert import Alert, Severity
from controller.state.inhibition import find_causes
from rack.layout import Rack, Slot, Stack

MAX_LISTED_CHARS = 200_000
"""Maximum length of all labels and annotations in a list. Alerts beyond it are only counted."""


@dataclass(frozen=True, slots=True)
class IssueOrder:
    """An order that may resolve an issue. Operators decide whether to submit it.

    Attributes:
        action: Name of the action, such as `power_cycle`.
        kind: Kind of the target.
        id: Number of the stack or id of the rasp.
        target: Name of the target, such as `stack 09` or `03-2`.
    """

    action: str
    kind: Literal["stack", "rasp"]
    id: int
    target: str


@dataclass(frozen=True, slots=True)
class Issue:
    """An alert that operators should handle, and the alerts that it explains.

    Attributes:
        rasps: Names of the affected rasps.
        order: Order that may resolve the issue, if any.
    """

    cause: Alert
    explains: tuple[Alert, ...] = ()
    rasps: tuple[str, ...] = ()
    order: IssueOrder | None = None


@dataclass(frozen=True, slots=True)
class AlertList:
    """The firing alerts, most severe first, then newest first, and the issues built from them.

    Attributes:
        error: Reason why the list may be outdated or incomplete, or "".
        watchdog_seen_at: Last arrival of the watchdog alert, which always fires, in seconds since
            the epoch. None if the alert never arrived.
    """

    alerts: tuple[Alert, ...]
    issues: tuple[Issue, ...] = ()
    error: str = ""
    watchdog_seen_at: float | None = None

    @property
    def issue_count(self) -> str:
        """The number of issues in words. It is unknown if the list may be incomplete."""
        if self.issues:
            return "1 issue" if len(self.issues) == 1 else f"{len(self.issues)} issues"
        return "issues unknown" if self.error else "no issues"

    @property
    def needs_attention(self) -> bool:
        """Whether there are issues, or could be."""
        return bool(self.issues or self.error)

    @property
    def other_alerts(self) -> tuple[Alert, ...]:
        """The alerts of no issue: silenced, inhibited on purpose, or for information."""
        of_issues = {
            alert.fingerprint for issue in self.issues for alert in (issue.cause, *issue.explains)
        }
        return tuple(alert for alert in self.alerts if alert.fingerprint not in of_issues)


def build_alert_list(
    alerts: Sequence[Alert], rack: Rack, error: str = "", watchdog_seen_at: float | None = None
) -> AlertList:
    """Return the list of firing alerts, in order, and the issues built from them.

    Args:
        alerts: The alerts, also those that only inhibit others.
        rack: Layout of the rack.
        error: Reason why the alerts may be outdated or incomplete, or "".
        watchdog_seen_at: Last arrival of the watchdog alert.
    """
    problems = sorted((alert for alert in alerts if alert.is_problem), key=_order)
    inhibiting = (alert for alert in alerts if not alert.is_problem)
    listed = tuple(_within_limit(problems))
    if omitted := len(problems) - len(listed):
        count = f"{omitted} further alerts are not listed: Alertmanager and Prometheus have them"
        error = f"{error}; {count}" if error else count
    issues = build_issues((*listed, *inhibiting), rack)
    return AlertList(listed, issues, error, watchdog_seen_at)


def _order(alert: Alert) -> tuple[int, float, str]:
    return list(Severity).index(alert.severity), -alert.started_at, alert.fingerprint


def _within_limit(alerts: Iterable[Alert]) -> Iterator[Alert]:
    chars = 0
    for alert in alerts:
        texts = [*alert.labels.items(), *alert.annotations.items()]
        chars += sum(len(name) + len(value) for name, value in texts)
        if chars > MAX_LISTED_CHARS:
            return
        yield alert


def build_issues(alerts: Sequence[Alert], rack: Rack) -> tuple[Issue, ...]:
    """Return the issues of firing alerts, in the order of their causes in `alerts`.

    Silenced alerts, alerts of severity `info`, and what they explain are no issues. Nor are the
    alerts of a stack that is off on purpose or in use, which an alert that is no problem explains.
    """
    cause_of = find_causes(alerts)
    explained: defaultdict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        if alert.is_problem and cause_of[alert.fingerprint] != alert.fingerprint:
            explained[cause_of[alert.fingerprint]].append(alert)
    return tuple(
        _issue(alert, explained[alert.fingerprint], rack)
        for alert in alerts
        if cause_of[alert.fingerprint] == alert.fingerprint and _needs_action(alert)
    )


def _needs_action(alert: Alert) -> bool:
    return alert.is_problem and alert.severity is not Severity.INFO and not alert.is_silenced


def _issue(cause: Alert, explains: Sequence[Alert], rack: Rack) -> Issue:
    stack, slot = _target_of(cause, rack)
    return Issue(
        cause,
        tuple(sorted(explains, key=lambda alert: (alert.labels.get("rasp", ""), alert.name))),
        tuple(each.name for each in ([slot] if slot else stack.slots if stack else ())),
        _fitting_order(cause.name, stack, slot),
    )


def _target_of(alert: Alert, rack: Rack) -> tuple[Stack | None, Slot | None]:
    """Return the stack and the slot that an alert of this rack names, if they exist."""
    if alert.labels.get("rack", rack.name) != rack.name:
        return None, None
    names = alert.labels.get("stack"), alert.labels.get("rasp")
    stack = next((stack for stack in rack.stacks if stack.name == names[0]), None)
    slots = stack.slots if stack else ()
    return stack, next((slot for slot in slots if slot.name == names[1]), None)


def _fitting_order(alert: str, stack: Stack | None, slot: Slot | None) -> IssueOrder | None:
    """Return the first order that the runbook of an alert recommends, if any."""
    if alert == "PiRackRaspExporterDown" and slot:
        return IssueOrder("restart_exporter", "rasp", slot.id, slot.name)
    if alert == "PiRackRaspDown" and stack and slot and stack.has_outlet_per_slot:
        return IssueOrder("power_cycle", "rasp", slot.id, slot.name)
    if alert in {"PiRackRaspDown", "PiRackStackDown"} and stack:
        return IssueOrder("power_cycle", "stack", stack.number, f"stack {stack.name}")
    return None
