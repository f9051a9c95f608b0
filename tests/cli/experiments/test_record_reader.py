"""Tests of reading records, also those of other people."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from cli.experiments.record import RecordError, complete, write_zip
from cli.experiments.record_reader import read
from tests.cli.experiments import records

MUTATIONS = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    events = [records.event("state", 5.0, text="faults"), records.event("edge", 25.5, stack=4)]
    return records.write_record(tmp_path / "212", events=events)


@pytest.fixture
def archive(folder: Path) -> Path:
    complete(folder)
    path = folder.with_suffix(".zip")
    write_zip(folder, path)
    return path


def test_folder_and_archive_contain_the_same_record(folder: Path, archive: Path) -> None:
    for path in (folder, archive):
        record = read(path)
        assert (record.run.id, record.run.plan.stacks) == (212, [1, 2, 4])
        assert [event.kind for event in record.events] == ["state", "edge"]
        assert record.statistics == {"acknowledged": 48_210, "lost": 12, "lost_elements": "5..16"}


def rewrite(archive: Path, change: Callable[[ZipFile], None]) -> Path:
    path = archive.with_name("changed.zip")
    with ZipFile(path, "w", ZIP_DEFLATED) as target:
        change(target)
    return path


def test_archive_that_expands_to_much_more_is_refused(archive: Path) -> None:
    bomb = rewrite(archive, lambda target: target.writestr("run.json", " " * (65 * 2**20)))
    assert bomb.stat().st_size < 100_000
    with pytest.raises(RecordError, match=r"run.json is larger than 64 MiB"):
        read(bomb)


def test_archive_with_many_files_is_refused(archive: Path) -> None:
    def write(target: ZipFile) -> None:
        for number in range(1_001):
            target.writestr(str(number), "")

    with pytest.raises(RecordError, match="more than 1,000 files"):
        read(rewrite(archive, write))


def test_archive_writes_no_file(archive: Path, tmp_path: Path) -> None:
    def write(target: ZipFile) -> None:
        target.writestr("../evil", "x")
        target.writestr("run.json", json.dumps(records.run()))
        target.writestr("events.jsonl", "")

    changed = rewrite(archive, write)
    before = sorted(tmp_path.rglob("*"))
    assert read(changed).run.id == 212
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("run.json", "{", "run.json is not JSON"),
        ("run.json", "[" * 100_000, "run.json is not JSON"),
        ("run.json", "[]", "run.json is malformed, list instead of ApiRun"),
        ("run.json", json.dumps(records.run(id="x")), "run.json is malformed, str instead of int"),
        ("events.jsonl", "{}\n", "events.jsonl line 1 is malformed, missing after"),
        ("events.jsonl", "\n", "events.jsonl line 1 is not JSON"),
    ],
)
def test_malformed_record_is_one_line_with_file_and_fix(
    folder: Path, name: str, content: str, problem: str
) -> None:
    (folder / name).write_text(content)
    with pytest.raises(RecordError) as caught:
        read(folder)
    assert str(caught.value).startswith(f"{folder}: {problem}")
    assert str(caught.value).endswith(
        "name the folder of a run, or an archive of `pirack experiment export`"
    )


def test_statistics_of_another_check_are_kept_as_far_as_they_are_numbers_and_texts(
    folder: Path,
) -> None:
    statistics = {"rate": 0.5, "list": [1], "text": "x" * 5000, "none": None}
    verdict = {"result": "ok", "summary": "", "statistics": statistics}
    (folder / "run.json").write_text(json.dumps(records.run(verdict=verdict)))
    assert read(folder).statistics == {"rate": 0.5, "text": "x" * 1000}
    (folder / "run.json").write_text(json.dumps(records.run(verdict=None)))
    assert read(folder).statistics == {}


@pytest.mark.parametrize("name", ["missing.zip", "212/plan.toml"])
def test_path_that_is_not_a_record_is_one_line(folder: Path, name: str) -> None:
    with pytest.raises(RecordError, match=r"No such file|not a zip archive"):
        read(folder.parent / name)


def test_folder_without_a_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file or directory"):
        read(tmp_path)


def test_damaged_archive_is_a_record_or_one_line(archive: Path, tmp_path: Path) -> None:
    source = random.Random(15)
    changed = tmp_path / "damaged.zip"
    errors = []
    for _ in range(MUTATIONS):
        changed.write_bytes(damaged(archive.read_bytes(), source))
        try:
            read(changed)
        except RecordError as error:
            errors.append(str(error))
    assert len(errors) > MUTATIONS / 4
    assert not [error for error in errors if "\n" in error]


def damaged(content: bytes, source: random.Random) -> bytes:
    """Return content that is cut off in half of the cases, and has up to 8 other bytes."""
    size = source.choice([len(content), source.randint(1, len(content))])
    changed = bytearray(content[:size])
    for _ in range(source.randint(0, 8)):
        changed[source.randrange(size)] = source.randrange(256)
    return bytes(changed)
