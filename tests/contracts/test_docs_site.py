"""The documentation builds as a site that needs no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.verify]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "docs", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_in_the_navigation(site: Path) -> None:
    navigation = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*/*.md"):
        assert f'href="{page.parent.name}/{page.stem}.html"' in navigation


def test_pages_load_nothing_from_the_network(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe|source)[^>]* src=\"(?:https?:)?//")
    linked = re.compile(r"<link[^>]* rel=\"(?:stylesheet|preload)\"[^>]* href=\"(?:https?:)?//")
    for page in site.glob("**/*.html"):
        text = page.read_text(encoding="utf-8")
        assert not loaded.search(text), page
        assert not linked.search(text), page
    for style in site.glob("**/*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style
