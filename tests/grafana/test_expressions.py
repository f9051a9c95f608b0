"""Every expression of every dashboard, as promtool reads it."""

import subprocess
from itertools import chain
from pathlib import Path

import yaml

from grafana.dashboards import of_rack
from tests.controller.world import RACK
from tests.grafana.reading import of_annotations, of_panels, substitute
from virtual_rack.programs import find

PLACE = {"rack": "pirack", "stack": "03", "rasp": "03-2"}


def check(folder: Path, expressions: list[str]) -> subprocess.CompletedProcess[str]:
    rules = [
        {"record": f"dashboard:expression_{number}:checked", "expr": expression}
        for number, expression in enumerate(expressions)
    ]
    file = folder / "dashboards.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    promtool = find("promtool")
    return subprocess.run(
        [promtool.path, "check", "rules", file],
        env=promtool.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def test_promtool_accepts_every_expression_as_a_rule(tmp_path: Path) -> None:
    expressions = {
        substitute(asked.expression, PLACE)
        for dashboard in of_rack(RACK).values()
        for asked in chain(of_panels(dashboard), of_annotations(dashboard))
    }
    assert len(expressions) > 100
    checked = check(tmp_path, sorted(expressions))
    assert checked.returncode == 0, checked.stdout
    assert f"{len(expressions)} rules found" in checked.stdout


def test_promtool_refuses_an_expression_that_is_none(tmp_path: Path) -> None:
    assert check(tmp_path, ["sum by (rack (up)"]).returncode != 0
