"""Fixtures: a configuration folder for Prometheus, and the documented target files."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.alerts.secret import load_or_create

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def make_prometheus_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that creates a configuration folder without target files."""

    def make_folder() -> Path:
        home = tmp_path_factory.mktemp("prometheus")
        shutil.copy(ROOT / "prometheus" / "prometheus.yml", home)
        shutil.copytree(ROOT / "prometheus" / "rules", home / "rules")
        (home / "targets").mkdir()
        load_or_create(home / "secrets" / "alerts")
        return home

    return make_folder


@pytest.fixture(scope="session")
def documented_targets() -> dict[str, Any]:
    """The examples of target files in docs/reference/prometheus.md, keyed by file name."""
    document = (ROOT / "docs" / "reference" / "prometheus.md").read_text()
    examples = re.findall(
        r"^`(\w+\.json)`:\n\n```json\n(.*?)```$", document, re.MULTILINE | re.DOTALL
    )
    return {name: json.loads(content) for name, content in examples}
