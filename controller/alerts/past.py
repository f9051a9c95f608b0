"""The alerts and issues of an earlier time, from the samples that Prometheus has stored.

The texts of the alerts are those of the present rules. Silences and remediations are not stored
with a time, and are therefore absent.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from controller.cache import KeyedCache, SingleFlightCache
from controller.state.alert import Alert
from controller.state.inhibition import find_causes
from controller.state.issues import AlertList, build_alert_list
from controller.state.model import MAX_SAMPLE_AGE_SECONDS
from controller.state.past import FINAL_SECONDS, require_past
from controller.state.prometheus import (
    AlertRule,
    Prometheus,
    PrometheusUnavailableError,
    Sample,
)
from rack.layout import Rack

_FIRING_SERIES, _ACTIVE_SINCE_SERIES = "ALERTS", "ALERTS_FOR_STATE"
_CONTROLLER_SERIES = "pirack:controller:info"
_WATCHDOG = "PiRackWatchdog"  # it always fires
_NOT_EVALUATED = (
    "Prometheus evaluated no alerts at this time: it did not run, or has already deleted the data"
)
_RULES_MAX_AGE = 60.0
_MAX_CACHED = 256  # more than the states of moments that are cached of a rack of 48

_FIRING = f'{_FIRING_SERIES}{{alertstate="firing"}}'
_QUERY = (
    f"({_FIRING} and timestamp({_FIRING}) > time() - {MAX_SAMPLE_AGE_SECONDS})"
    f" or {_ACTIVE_SINCE_SERIES} or {_CONTROLLER_SERIES}"
)

CONTROLLER_URL_TEMPLATE = (
    f'{{{{ with query "{_CONTROLLER_SERIES}" }}}}{{{{ . | first | label "url" }}}}{{{{ end }}}}'
)
"""Beginning of the URLs of runbooks in the rules."""

_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")
_VALUE = re.compile(r"\{\{[^{}]*\$value\b[^{}]*\}\}")
_FNV_OFFSET, _FNV_PRIME, _SEPARATOR = 0xCBF29CE484222325, 0x100000001B3, b"\xff"


class PastAlerts:
    """Reader of the alerts of earlier times. Thread-safe.

    Each read sends one query to Prometheus. The alerts of moments that get no more samples are
    read once, until the rules are read again.

    Args:
        rack: Layout of the rack.
        prometheus: Client of the Prometheus that evaluates the rules.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self, rack: Rack, prometheus: Prometheus, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._rack = rack
        self._prometheus = prometheus
        self._clock = clock
        self._rules = SingleFlightCache(prometheus.alert_rules, max_age=_RULES_MAX_AGE)
        self._cache = KeyedCache(self._load, max_size=_MAX_CACHED, max_age=_RULES_MAX_AGE)

    def read(self, moment: float) -> AlertList:
        """Return the alerts that fired at a time, in seconds since the epoch.

        If they are unknown, `error` is the reason.

        Raises:
            UnknownMomentError: If the time is in the future or before 1970.
        """
        now = self._clock()
        require_past(moment, now)
        is_final = now - moment >= FINAL_SECONDS
        try:
            return self._cache.get(moment) if is_final else self._load(moment)
        except PrometheusUnavailableError as error:
            return AlertList((), error=str(error))

    def _load(self, moment: float) -> AlertList:
        samples = self._prometheus.query(_QUERY, time=moment)
        return build_past_alerts(moment, samples, self._rules.get(), self._rack)


def build_past_alerts(
    moment: float, samples: Iterable[Sample], rules: Sequence[AlertRule], rack: Rack
) -> AlertList:
    """Return the alerts and issues of a time. Issues of the past have no order.

    Args:
        moment: The time, in seconds since the epoch.
        samples: The firing alerts, the starts of their conditions, and the URL of the controller.
        rules: The present rules.
        rack: Layout of the rack.
    """
    firing: list[Mapping[str, str]] = []
    active_since: dict[frozenset[tuple[str, str]], float] = {}
    controller_url = ""
    for sample in samples:
        labels = {
            name: value
            for name, value in sample.labels.items()
            if name not in {"__name__", "alertstate"}
        }
        if sample.name == _FIRING_SERIES:
            firing.append(labels)
        elif sample.name == _ACTIVE_SINCE_SERIES:
            active_since[frozenset(labels.items())] = sample.value
        else:
            controller_url = labels.get("url", "")
    if _WATCHDOG not in {labels.get("alertname") for labels in firing}:
        return AlertList((), error=_NOT_EVALUATED)
    by_name = {(rule.name, rule.severity): rule for rule in rules}
    alerts = [
        _alert(
            labels,
            by_name.get((labels.get("alertname", ""), labels.get("severity", ""))),
            active_since.get(frozenset(labels.items()), moment),
            moment,
            controller_url,
        )
        for labels in firing
    ]
    cause_of = find_causes(alerts)
    listed = build_alert_list(
        [
            replace(alert, inhibited_by=(cause,))
            if (cause := cause_of[alert.fingerprint]) != alert.fingerprint
            else alert
            for alert in alerts
        ],
        rack,
    )
    return replace(listed, issues=tuple(replace(issue, order=None) for issue in listed.issues))


def _alert(
    labels: Mapping[str, str],
    rule: AlertRule | None,
    active_since: float,
    moment: float,
    controller_url: str,
) -> Alert:
    annotations = {
        name: render(template.replace(CONTROLLER_URL_TEMPLATE, controller_url), labels)
        for name, template in (rule.annotations if rule else {}).items()
    }
    started_at = active_since + (rule.for_seconds if rule else 0.0)
    # The rule may have had another duration at that time, but the alert fires at this moment.
    return Alert(fingerprint(labels), labels, annotations, min(started_at, moment))


def render(template: str, labels: Mapping[str, str]) -> str:
    """Return the text of an annotation, or "" if it contains more than labels and a value.

    The value of an alert is not stored. An ellipsis replaces it.
    """
    template = _VALUE.sub("…", template)
    if "{{" in _LABEL.sub("", template):
        return ""
    return _LABEL.sub(lambda match: labels.get(match[1], ""), template)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the identifier of an alert in Alertmanager: FNV-1a of its sorted labels.

    Source: https://github.com/prometheus/common/blob/main/model/signature.go
    """
    number = _FNV_OFFSET
    for name in sorted(labels):
        for byte in b"".join((name.encode(), _SEPARATOR, labels[name].encode(), _SEPARATOR)):
            number = ((number ^ byte) * _FNV_PRIME) % 2**64
    return f"{number:016x}"
