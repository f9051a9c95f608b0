"""Tests of the references in the security model."""

import re
from pathlib import Path

import pytest

PAGE = Path("docs/explanation/security.md").read_text(encoding="utf-8")
REFERENCES = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), REFERENCES)
def test_named_test_exists(file: str, test: str) -> None:
    assert re.search(rf"^(?:async )?def {test}\(", Path(file).read_text(), re.MULTILINE)


def test_every_met_requirement_names_a_test_or_a_reason() -> None:
    rows = re.findall(r"^\| (\d[^|]*) \| ([^|]*) \| ([^|]*) ?\|$", PAGE, re.MULTILINE)
    assert len(rows) > 30
    for requirement, state, shown_by in rows:
        assert state.startswith(("met", "in part", "not met")), requirement
        assert shown_by.strip() or ":" in state or ";" in state or state == "not met", requirement
