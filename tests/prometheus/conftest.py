"""A folder for Prometheus as the demo and the containers lay it out, and targets to put into it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def make_prometheus_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Gives a new folder that Prometheus can be started in, with no target files yet."""

    def lay_out() -> Path:
        home = tmp_path_factory.mktemp("prometheus")
        shutil.copy(ROOT / "prometheus" / "prometheus.yml", home)
        shutil.copytree(ROOT / "prometheus" / "rules", home / "rules")
        (home / "targets").mkdir()
        return home

    return lay_out


@pytest.fixture(scope="session")
def documented_targets() -> dict[str, Any]:
    """The content of each target file, by its name, as docs/prometheus.md shows it."""
    document = (ROOT / "docs" / "prometheus.md").read_text()
    examples = re.findall(
        r"^`(\w+\.json)`:\n\n```json\n(.*?)```$", document, re.MULTILINE | re.DOTALL
    )
    return {name: json.loads(content) for name, content in examples}
