"""Check the dashboards with TypeScript against Grafana's types of three major versions.

The types are from the npm package @grafana/schema, pinned in `schema/package-lock.json`. These
types do not define canvas links and Prometheus queries, which `schema/dashboards.ts` defines.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from grafana.generator import build_dashboards
from tests.controller.fakes import RACK
from tests.grafana.dashboard_reader import Dashboard, panels_and_rows
from tests.grafana.racks import make_rack
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.npm_packages import install

pytestmark = [pytest.mark.process, pytest.mark.verify]

SCHEMA = Path(__file__).parent / "schema"
VERSIONS = {"11": "11.6.16", "12": "12.4.11", "13": "13.2.3"}
PANEL_TYPES = {
    "bargauge": "BarGaugePanel",
    "canvas": "CanvasPanel",
    "row": "RowPanel",
    "stat": "StatPanel",
    "state-timeline": "StateTimelinePanel",
    "table": "TablePanel",
    "timeseries": "TimeSeriesPanel",
}


@pytest.fixture(scope="module")
def schemas() -> Path:
    """The folder with the types, or a skip if they cannot be downloaded."""
    return install(SCHEMA, "grafana-schema")


@pytest.fixture(scope="module")
def errors_of_versions(
    schemas: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Sequence[str]]:
    """The errors of TypeScript with the types of each version, checked in one process."""
    folder = tmp_path_factory.mktemp("types")
    # Modules are resolved in the folder of the version first, then in the common folder.
    (folder / "node_modules").symlink_to(schemas / "node_modules")
    invalid = {uid: dashboard for uid, (dashboard, _) in invalid_dashboards().items()}
    programs = {
        "valid.ts": as_typescript(valid_dashboards()),
        "invalid.ts": as_typescript(invalid),
    }
    for version in VERSIONS:
        project = folder / version
        project.mkdir()
        for name in ("dashboards.ts", "tsconfig.json"):
            shutil.copy(SCHEMA / name, project)
        if (schemas / version / "node_modules").is_dir():
            (project / "node_modules").symlink_to(schemas / version / "node_modules")
        for name, program in programs.items():
            (project / name).write_text(program, encoding="utf-8")
    tsc = schemas / "node_modules" / "typescript" / "lib" / "tsc.js"
    result = subprocess.run(
        ["node", str(tsc), "--build", *VERSIONS],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert result.returncode in {0, 1, 2}, result.stdout
    errors = [line for line in result.stdout.splitlines() if ": error TS" in line]
    found = {
        version: [
            line.removeprefix(f"{version}/")
            for line in errors
            if line.startswith(tuple(f"{version}/{name}(" for name in programs))
        ]
        for version in VERSIONS
    }
    assert sum(map(len, found.values())) == len(errors), result.stdout
    return found


@pytest.fixture(params=VERSIONS)
def type_errors(
    request: pytest.FixtureRequest, errors_of_versions: Mapping[str, Sequence[str]]
) -> Mapping[str, Sequence[str]]:
    """The errors in `valid.ts` and `invalid.ts` with the types of one version."""
    errors = errors_of_versions[request.param]
    return {
        name: [line for line in errors if line.startswith(f"{name}(")]
        for name in ("valid.ts", "invalid.ts")
    }


def as_typescript(dashboards: Mapping[str, Dashboard]) -> str:
    """Return a program that assigns each dashboard and panel to a typed constant."""
    names = ", ".join(["DashboardWithoutPanels", *PANEL_TYPES.values()])
    lines = [f"import type {{ {names} }} from './dashboards';"]
    for dashboard in dashboards.values():
        rest = {name: value for name, value in dashboard.items() if name != "panels"}
        lines.append(f"export const a{len(lines)}: DashboardWithoutPanels = {json.dumps(rest)};")
        for panel in panels_and_rows(dashboard):
            panel_type = PANEL_TYPES[panel["type"]]
            own = {name: value for name, value in panel.items() if name != "panels"}
            lines.append(f"export const a{len(lines)}: {panel_type} = {json.dumps(own)};")
    return "\n".join(lines)


def test_downloaded_versions_match_the_package_files() -> None:
    packages = {
        version: json.loads((SCHEMA / version / "package.json").read_text())["dependencies"]
        for version in VERSIONS
    }
    assert {version: each["@grafana/schema"] for version, each in packages.items()} == VERSIONS


def valid_dashboards() -> dict[str, Dashboard]:
    irregular = build_dashboards(make_rack((0, 0, 1), (3, 2, 5)))["pirack-rack"]
    return {**build_dashboards(RACK), "irregular": irregular}


def invalid_dashboards() -> dict[str, tuple[Dashboard, str]]:
    """Return invalid dashboards, each with one error and a word of the expected message."""
    dashboards: dict[str, Any] = deepcopy(dict(build_dashboards(RACK)))

    def panel(uid: str, panel_type: str) -> Any:
        return next(
            panel for panel in panels_and_rows(dashboards[uid]) if panel["type"] == panel_type
        )

    elements = panel("pirack-rack", "canvas")["options"]["root"]["elements"]
    elements[0]["constraint"]["vertical"] = "sclae"
    panel("pirack-stack", "state-timeline")["options"]["showValue"] = "sometimes"
    panel("pirack-rasp", "stat")["options"]["colourMode"] = "background"
    panel("pirack-racks", "table")["fieldConfig"]["defaults"]["custom"]["algin"] = "left"
    dashboards["pirack-self"]["editble"] = False
    panel("pirack-rack-classic", "timeseries")["options"]["legend"]["placement"] = "left"
    words = {
        "pirack-rack": "sclae",
        "pirack-stack": "sometimes",
        "pirack-rasp": "colourMode",
        "pirack-racks": "algin",
        "pirack-self": "editble",
        "pirack-rack-classic": '"left"',
    }
    return {uid: (dashboards[uid], word) for uid, word in words.items()}


def test_typescript_accepts_every_dashboard(type_errors: Mapping[str, Sequence[str]]) -> None:
    assert type_errors["valid.ts"] == []


def test_typescript_rejects_unknown_properties_and_values(
    type_errors: Mapping[str, Sequence[str]],
) -> None:
    errors = type_errors["invalid.ts"]
    invalid = invalid_dashboards()
    assert len(errors) == len(invalid), errors
    for _, word in invalid.values():
        assert sum(word in error for error in errors) == 1, (word, errors)
