"""Check all expressions of the dashboards with promtool."""

import subprocess
from itertools import chain
from pathlib import Path

import pytest
import yaml

from grafana.generator import build_dashboards
from tests.controller.fakes import RACK
from tests.grafana.dashboard_reader import annotation_queries, panel_queries, substitute
from tests.grafana.promtool import run_promtool

pytestmark = pytest.mark.process

VARIABLES = {"rack": "pirack", "stack": "03", "rasp": "03-2"}


def check_rules(folder: Path, expressions: list[str]) -> subprocess.CompletedProcess[str]:
    rules = [
        {"record": f"dashboard:expression_{number}:checked", "expr": expression}
        for number, expression in enumerate(expressions)
    ]
    file = folder / "dashboards.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    return run_promtool("check", "rules", file)


def test_promtool_accepts_every_expression(tmp_path: Path) -> None:
    expressions = {
        substitute(query.expression, VARIABLES)
        for dashboard in build_dashboards(RACK).values()
        for query in chain(panel_queries(dashboard), annotation_queries(dashboard))
    }
    assert len(expressions) > 100
    checked = check_rules(tmp_path, sorted(expressions))
    assert checked.returncode == 0, checked.stdout
    assert f"{len(expressions)} rules found" in checked.stdout


def test_promtool_rejects_an_invalid_expression(tmp_path: Path) -> None:
    assert check_rules(tmp_path, ["sum by (rack (up)"]).returncode != 0
