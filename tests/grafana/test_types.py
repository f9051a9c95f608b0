"""The dashboards' JSON against Grafana's own types, of three major versions, with TypeScript.

The types are npm's @grafana/schema, pinned and hashed in `schema/package-lock.json`. They say what
a dashboard, a panel, its options and its fields may have, and which words may stand where. How an
element of a canvas is clicked, and what a Prometheus is asked, they leave open: that is told in
`schema/dashboards.ts`.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from grafana.generator import build_dashboards
from tests.controller.fakes import RACK
from tests.grafana.dashboard_reader import Dashboard
from tests.grafana.racks import make_rack
from tools.debian_packages import exclusive
from tools.programs import TOOLS_FOLDER

SCHEMA = Path(__file__).parent / "schema"
VERSIONS = {"11": "11.6.16", "12": "12.4.11", "13": "13.2.3"}
PANEL_TYPES = {
    "bargauge": "BarsPanel",
    "canvas": "CanvasPanel",
    "stat": "StatPanel",
    "state-timeline": "TimelinePanel",
    "table": "TablePanel",
    "timeseries": "CoursePanel",
}
NPM_SECONDS = 240

each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="module")
def schemas() -> Path:
    """Return the folder of the types, fetched once; where they cannot be had, skip the test."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not here: install it, as with Debian's package npm")
    lock = hashlib.sha256((SCHEMA / "package-lock.json").read_bytes()).hexdigest()
    folder = TOOLS_FOLDER / "npm" / f"grafana-schema-{lock[:16]}"
    with exclusive(TOOLS_FOLDER / "lock"):
        if not folder.is_dir():
            folder.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="unfinished-", dir=TOOLS_FOLDER) as scratch:
                fetched = Path(scratch, "schema")
                shutil.copytree(SCHEMA, fetched)
                install_packages(npm, fetched)
                fetched.rename(folder)
    return folder


def install_packages(npm: str, folder: Path) -> None:
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=NPM_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch @grafana/schema: {done.stdout.strip()[-300:]}")


def type_errors(
    schemas: Path, folder: Path, version: str, dashboards: Mapping[str, Dashboard]
) -> str:
    """Return what TypeScript says of dashboards, by the types of one version."""
    place = folder / version
    place.mkdir()
    for name in ("dashboards.ts", "tsconfig.json"):
        shutil.copy(SCHEMA / name, place)
    # Resolved as from the version's own folder: what it lacks is in the common one.
    (folder / "node_modules").symlink_to(schemas / "node_modules")
    if (schemas / version / "node_modules").is_dir():
        (place / "node_modules").symlink_to(schemas / version / "node_modules")
    (place / "check.ts").write_text(as_typescript(dashboards), encoding="utf-8")
    done = subprocess.run(
        ["node", str(schemas / "node_modules" / "typescript" / "lib" / "tsc.js"), "-p", place],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode in {0, 1, 2}, done.stdout
    return done.stdout


def as_typescript(dashboards: Mapping[str, Dashboard]) -> str:
    """Return a program that is right if each dashboard, and each panel, is of its type."""
    lines = [f"import type {{ Envelope, {', '.join(PANEL_TYPES.values())} }} from './dashboards';"]
    for dashboard in dashboards.values():
        envelope = {name: value for name, value in dashboard.items() if name != "panels"}
        lines.append(f"export const a{len(lines)}: Envelope = {json.dumps(envelope)};")
        lines += [
            f"export const a{len(lines) + index}: {PANEL_TYPES[panel['type']]} = {json.dumps(panel)};"
            for index, panel in enumerate(dashboard["panels"])
        ]
    return "\n".join(lines)


def test_the_versions_are_those_that_are_fetched() -> None:
    wanted = {
        version: json.loads((SCHEMA / version / "package.json").read_text())["dependencies"]
        for version in VERSIONS
    }
    assert {version: each["@grafana/schema"] for version, each in wanted.items()} == VERSIONS


@each_version
def test_grafanas_types_accept_every_dashboard(schemas: Path, tmp_path: Path, version: str) -> None:
    odd = build_dashboards(make_rack((0, 0, 1), (3, 2, 5)))["pirack-rack"]
    dashboards = {**build_dashboards(RACK), "odd": odd}
    assert type_errors(schemas, tmp_path, version, dashboards) == ""


def invalid_dashboards() -> dict[str, tuple[Dashboard, str]]:
    """Return dashboards with one mistake each, and the word that TypeScript should complain of."""
    made: dict[str, Any] = deepcopy(dict(build_dashboards(RACK)))
    rack, stack = made["pirack-rack"], made["pirack-stack"]
    rasp, racks, own = made["pirack-rasp"], made["pirack-racks"], made["pirack-self"]

    def panel(dashboard: Any, kind: str) -> Any:
        return next(each for each in dashboard["panels"] if each["type"] == kind)

    panel(rack, "canvas")["options"]["root"]["elements"][0]["constraint"]["vertical"] = "sclae"
    panel(stack, "state-timeline")["options"]["showValue"] = "sometimes"
    panel(rasp, "stat")["options"]["colourMode"] = "background"
    panel(racks, "table")["fieldConfig"]["defaults"]["custom"]["algin"] = "left"
    own["editble"] = False
    panel(made["pirack-rack-classic"], "timeseries")["options"]["legend"]["placement"] = "left"
    words = {
        "pirack-rack": "sclae",
        "pirack-stack": "sometimes",
        "pirack-rasp": "colourMode",
        "pirack-racks": "algin",
        "pirack-self": "editble",
        "pirack-rack-classic": '"left"',
    }
    return {uid: (made[uid], word) for uid, word in words.items()}


@each_version
def test_grafanas_types_refuse_what_grafana_does_not_know(
    schemas: Path, tmp_path: Path, version: str
) -> None:
    mistakes = invalid_dashboards()
    said = type_errors(
        schemas, tmp_path, version, {uid: each for uid, (each, _) in mistakes.items()}
    )
    errors = [line for line in said.splitlines() if ": error TS" in line]
    assert len(errors) == len(mistakes), said
    for _, word in mistakes.values():
        assert sum(word in error for error in errors) == 1, (word, errors)
