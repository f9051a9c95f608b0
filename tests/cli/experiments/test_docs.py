"""Tests of docs/reference/experiment-record.md."""

import json
import re
from pathlib import Path

import pytest

from cli.experiments.edn import to_edn
from cli.experiments.history import parse_history
from cli.experiments.record import complete
from cli.experiments.seed_statistics import SeedOutcome, describe
from cli.experiments.set_check import SetResult, check
from controller.experiments.schemas import RunEventResponse, RunResponse
from tests.cli.experiments import records

PAGE = (Path(__file__).parents[3] / "docs/reference/experiment-record.md").read_text()


def block(language: str, part: str) -> str:
    """Return the first code block of a language that contains a text."""
    blocks: list[tuple[str, str]] = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", PAGE)
    return next(text for name, text in blocks if name == language and part in text)


def section(heading: str) -> str:
    """Return the text under a heading."""
    return PAGE.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def test_history_of_the_page_is_ok() -> None:
    result = check(parse_history(block("json", "invoke").encode().splitlines(keepends=True)))
    assert (result.verdict, result.acknowledged, result.recovered) == ("ok", 1, (2,))


def test_edn_of_the_page_is_the_export_of_its_history() -> None:
    operations = parse_history(block("json", "invoke").encode().splitlines(keepends=True))
    assert block("clojure", ":index") in list(to_edn(operations))


def test_lines_about_several_seeds_are_those_of_the_program() -> None:
    lines = block("", "49 ok").splitlines()
    summary = block("", "12 of 48,210").strip()
    runs = [SeedOutcome(seed, seed, "ok", "") for seed in range(1, 51)]
    runs[6] = SeedOutcome(7, 7, "lost", summary)
    assert describe(runs) == lines


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("### The check `set`", list(SetResult(0, 0).statistics())),
        ("## Run", list(RunResponse.model_fields)),
        ("## Events", list(RunEventResponse.model_fields)),
    ],
)
def test_every_field_is_documented(heading: str, names: list[str]) -> None:
    assert [name for name in names if f"`{name}`" not in section(heading)] == []


def test_every_file_is_documented(tmp_path: Path) -> None:
    folder = records.write_record(tmp_path / "212")
    complete(folder)
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 10
    assert [name for name in names if f"`{name}`" not in section("## Files")] == []
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    described = {entity["@id"] for entity in graph if entity["@type"] == "File"}
    assert described == names - {"ro-crate-metadata.json"}
