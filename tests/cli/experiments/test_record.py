"""Tests of the folder and the archive of a run."""

import json
import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from cli.experiments.record import RecordError, complete, write_zip
from tests.cli.experiments import records

# `rocrate-validator validate --profile-identifier process-run-crate` of roc-validator 0.13.0
# accepts the record with this metadata.
VALIDATED_METADATA = Path(__file__).with_name("ro-crate-metadata.json")


def metadata_of(folder: Path) -> dict[str, dict[str, object]]:
    text = (folder / "ro-crate-metadata.json").read_text()
    return {entity["@id"]: entity for entity in json.loads(text)["@graph"]}


def test_completed_record_has_the_history_in_edn_and_metadata(tmp_path: Path) -> None:
    folder = records.write_record(tmp_path / "212")
    assert complete(folder) == []
    assert (folder / "history.edn").read_text().splitlines()[1] == (
        "{:index 1, :type :ok, :process 0, :f :add, :value 1, :time 2000}"
    )
    written = json.loads((folder / "ro-crate-metadata.json").read_text())
    assert written == json.loads(VALIDATED_METADATA.read_text())


def test_metadata_describe_every_file_of_the_archive(tmp_path: Path) -> None:
    folder = records.write_record(tmp_path / "212")
    complete(folder)
    write_zip(folder, tmp_path / "bug.zip")
    with ZipFile(tmp_path / "bug.zip") as archive:
        sizes = {info.filename: str(info.file_size) for info in archive.infolist()}
    del sizes["ro-crate-metadata.json"]
    entities = metadata_of(folder).values()
    files = {entity["@id"]: entity for entity in entities if entity["@type"] == "File"}
    assert {name: entity["contentSize"] for name, entity in files.items()} == sizes
    assert all(entity["description"] for entity in files.values())


def test_metadata_of_an_aborted_run_have_the_reason_and_no_end_of_a_running_one(
    tmp_path: Path,
) -> None:
    received = records.run(
        state="aborted", reason="rasp 04-1 does not boot", verdict=None, finished_at=None
    )
    folder = records.write_record(tmp_path / "212", received)
    complete(folder)
    action = metadata_of(folder)["#run-212"]
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == "rasp 04-1 does not boot"
    assert "endTime" not in action
    assert "Result: unknown. rasp 04-1 does not boot" in str(metadata_of(folder)["./"])


def test_metadata_have_the_energy_that_was_measured(tmp_path: Path) -> None:
    folder = records.write_record(tmp_path / "212", records.run(energy=records.energy()))
    complete(folder)
    metadata = metadata_of(folder)
    measured = [{"@id": "#energy"}, {"@id": "#energy-stack-01"}, {"@id": "#energy-02-1"}]
    assert metadata["./"]["variableMeasured"] == measured
    assert metadata["#energy"] == {
        "@id": "#energy",
        "@type": "PropertyValue",
        "name": "Energy of the run",
        "value": 990.0,
        "unitText": "J",
    }


def test_metadata_have_no_total_energy_if_an_outlet_was_not_measured(tmp_path: Path) -> None:
    received = records.run(energy=records.energy(first=None))
    folder = records.write_record(tmp_path / "212", received)
    complete(folder)
    assert metadata_of(folder)["./"]["variableMeasured"] == {"@id": "#energy-02-1"}


def test_same_files_give_the_same_archive(tmp_path: Path) -> None:
    first, second = (records.write_record(tmp_path / name) for name in ("a", "b"))
    for path in second.iterdir():
        os.utime(path, (0, 0))
        path.chmod(0o600)
    for folder in (first, second):
        complete(folder)
        write_zip(folder, folder.with_suffix(".zip"))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_archive_contains_only_the_files_of_the_record(tmp_path: Path) -> None:
    folder = records.write_record(tmp_path / "212")
    (tmp_path / "secret").write_text("password")
    (folder / "key.json").symlink_to(tmp_path / "secret")
    (folder / ".hidden.json").write_text("{}")
    (folder / "folder.json").mkdir()
    for _ in range(2):  # the second archive does not contain the first
        write_zip(folder, folder / "bug.zip")
    with ZipFile(folder / "bug.zip") as archive:
        assert archive.namelist() == [
            "client.json",
            "client.stdout",
            "events.jsonl",
            "history.jsonl",
            "metrics.openmetrics",
            "plan.json",
            "plan.toml",
            "run.json",
        ]


def test_malformed_history_is_a_warning_and_leaves_no_edn(tmp_path: Path) -> None:
    folder = records.write_record(tmp_path / "212", history=records.HISTORY + '{"type"')
    assert complete(folder) == [
        "the record has no history.edn: history.jsonl line 5: cut off: the client ended while it"
        " wrote this line"
    ]
    names = {path.name for path in folder.iterdir()}
    assert "ro-crate-metadata.json" in names
    assert not [name for name in names if "edn" in name]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "run.json is missing"),
        ("{", "run.json is malformed, Expecting"),
        ('{"id": 1}', "run.json is malformed, missing actor"),
    ],
)
def test_record_without_a_run_has_no_metadata(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    folder = records.write_record(tmp_path / "212")
    if content is None:
        (folder / "run.json").unlink()
    else:
        (folder / "run.json").write_text(content)
    [warning] = complete(folder)
    assert warning.startswith(f"the record has no ro-crate-metadata.json: {problem}")


def test_archive_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    folder = records.write_record(tmp_path / "212")
    with pytest.raises(RecordError) as caught:
        write_zip(folder, tmp_path / "missing" / "bug.zip")
    assert "No such file or directory: name a file in a folder" in str(caught.value)
    assert "\n" not in str(caught.value)
