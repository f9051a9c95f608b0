"""Tests that every selector of a scraped metric names the jobs that it trusts.

Without a job, a rasp could export a metric with the same name and forge the result. Recorded
metrics and `ALERTS` have no job. Prometheus drops these names from the responses of rasps.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.state.build import state_query
from controller.state.history import TIME_RANGES, RaspHistory
from controller.state.prometheus import Prometheus, Sample, Series
from controller.state.sparklines import SparklineReader
from exporter import aliases
from grafana.generator import build_dashboards
from tests.contracts.test_docs import controller_metrics
from tests.controller.fakes import RACK, FakeRackState
from tests.grafana.dashboard_reader import annotation_queries, panel_queries, variable_queries

PROMETHEUS = Path("prometheus")
[RASP_JOB] = [
    job
    for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    if job["job_name"] == "rasp"
]

# A recorded metric, the names of several recorded metrics, or the metric of alerts.
RECORDED = re.compile(r'\w+:|ALERTS\b|\{__name__=~"\w+:[\w:]+(\|\w+:[\w:]+)*"')
NO_SELECTOR = {"and", "or", "unless", "bool"}
TOKEN = re.compile(
    r'"[^"]*"|(?P<name>[a-zA-Z_:][\w:]*)?\s*(?P<matchers>\{[^{}]*\})|(?P<word>[a-zA-Z_:][\w:]*)'
)
JOB_MATCHER = re.compile(r"""\bjob=(?:"\w+"|~"[\w|]+")""")


def selectors(expression: str) -> Iterator[tuple[str, str]]:
    """Yield the metric name and the label matchers of each selector of a PromQL expression."""
    text = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", "", expression)
    text = re.sub(r"\[[^]]*\]|\boffset \w+", "", text)  # ranges and offsets
    for match in TOKEN.finditer(text):
        is_function = text[match.end() :].lstrip().startswith("(")
        if match["matchers"]:
            yield match["name"] or "", match["matchers"]
        elif match["word"] and match["word"] not in NO_SELECTOR and not is_function:
            yield match["word"], ""


def untrusted_selectors(expression: str) -> list[str]:
    return [
        name + matchers
        for name, matchers in selectors(expression)
        if not RECORDED.match(name + matchers) and not JOB_MATCHER.search(matchers)
    ]


def rule_queries() -> Iterator[tuple[str, str]]:
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule["record"]
                yield name, rule["expr"]
                for text in rule.get("annotations", {}).values():
                    for query in re.findall(r'query "([^"]+)"|printf\s+`([^`]+)`', text):
                        yield name, "".join(query)


def dashboard_queries() -> Iterator[tuple[str, str]]:
    for dashboard in build_dashboards(RACK).values():
        for query in [*panel_queries(dashboard), *annotation_queries(dashboard)]:
            yield query.location, query.expression
        for name, selector, _ in variable_queries(dashboard):
            yield f"{dashboard['uid']}: variable {name}", selector


class RecordingPrometheus(Prometheus):
    """Records the queries of the controller instead of sending them."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.expressions: list[str] = []

    def query(self, expression: str, *, time: float | None = None) -> list[Sample]:
        self.expressions.append(expression)
        return []

    def query_range(
        self, expression: str, *, start: float, end: float, step: float
    ) -> list[Series]:
        self.expressions.append(expression)
        return []

    def read_samples(self, selector: str, *, start: float, end: float) -> list[Series]:
        self.expressions.append(selector)
        return []


def controller_queries() -> Iterator[tuple[str, str]]:
    prometheus = RecordingPrometheus()
    history = RaspHistory(RACK.name, prometheus)
    history.aliases(RACK.slots[0])
    history.query_range(RACK.stacks[0], RACK.stacks[0].slots, next(iter(TIME_RANGES)))
    history.changes(0.0, 3600.0)
    history.state_since(FakeRackState(RACK).read().rasps[0])
    sparklines = SparklineReader(RACK, prometheus)
    for quantity in ("temperature", "cpu", "memory", "watts"):
        sparklines.read(quantity)
    for expression in [state_query(RACK), *prometheus.expressions]:
        yield "controller", expression


QUERIES = [*rule_queries(), *dashboard_queries(), *controller_queries()]


def test_every_selector_names_the_jobs_that_it_trusts() -> None:
    assert len(QUERIES) > 100
    assert {
        location: found for location, query in QUERIES if (found := untrusted_selectors(query))
    } == {}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("max by (rack) (pirack_stack_busy) == 1", ["pirack_stack_busy"]),
        (
            'up{job="rasp"} == 0 unless on (rack) probe_success{rack="a"}',
            ['probe_success{rack="a"}'],
        ),
        ('{__name__=~"pirack_.+", rack="a"}', ['{__name__=~"pirack_.+", rack="a"}']),
        ('{__name__=~"a:b|pirack_c", rack="a"}', ['{__name__=~"a:b|pirack_c", rack="a"}']),
        ('{__name__=~"a:b:c|pirack:d", rack="a"}', []),
        ('label_replace(timestamp(up{job="ping"}), "computed", "up", "", "")', []),
        ("scalar(pirack:threshold:hot_celsius) < 1 and ALERTS", []),
        ('sum(rate(process_cpu_seconds_total{job=~"a|b"}[5m]))', []),
        ('up{job!="rasp"}', ['up{job!="rasp"}']),
    ],
)
def test_a_selector_without_a_job_is_found(expression: str, expected: list[str]) -> None:
    assert untrusted_selectors(expression) == expected


def relabel(name: str) -> bool:
    """Return whether Prometheus stores a metric of a rasp."""
    keep, drop = RASP_JOB["metric_relabel_configs"]
    assert (keep["action"], drop["action"]) == ("keep", "drop")
    return bool(re.fullmatch(keep["regex"], name)) and not re.fullmatch(drop["regex"], name)


def test_prometheus_stores_every_metric_of_a_rasp() -> None:
    names = {alias.metric for alias in aliases.load(aliases.DEFAULT_PATH).metrics}
    # An alias of users in the section [Stack] is not a metric of the controller.
    names |= {*aliases.SELF_METRICS, "pirack_stack_cpu", "pirack_gpio_4_celsius"}
    assert [name for name in sorted(names) if not relabel(name)] == []


def test_prometheus_drops_names_that_a_rasp_must_not_export(tmp_path: Path) -> None:
    recorded = {name for name, _ in rule_queries() if ":" in name}
    others = {"up", "ALERTS", "probe_success", "scrape_samples_scraped", "pirack_a:b", "process_x"}
    names = controller_metrics(tmp_path) | recorded | others
    assert [name for name in sorted(names) if relabel(name)] == []


def test_limits_apply_to_rasps_and_only_the_controller_sets_its_own_labels() -> None:
    configuration: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    limits = {"sample_limit", "label_limit", "body_size_limit", "label_value_length_limit"}
    assert limits <= RASP_JOB.keys()
    thresholds = dict(rule_queries())
    assert thresholds["pirack:threshold:samples_per_scrape"] == (
        f"vector({RASP_JOB['sample_limit']})"
    )
    assert RASP_JOB["honor_timestamps"] is False
    jobs = configuration["scrape_configs"]
    assert [job["job_name"] for job in jobs if job.get("honor_labels")] == ["controller"]
    clients = [*jobs, *configuration["alerting"]["alertmanagers"]]
    assert [client for client in clients if client.get("follow_redirects") is not False] == []
