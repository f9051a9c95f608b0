"""Folders of runs on the user's machine."""

from pathlib import Path

import pytest

from cli.experiments.run_folders import RunFolderError, RunFolders


def test_folder_is_private_and_found_by_the_number_of_the_run(tmp_path: Path) -> None:
    folders = RunFolders(environment={"XDG_DATA_HOME": str(tmp_path)})
    assert folders.find(7) is None
    folder = folders.create(7)
    assert folder == tmp_path / "pirack" / "experiments" / "7"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folders.find(7) == folder


def test_default_folder_is_in_the_home_of_the_user(tmp_path: Path) -> None:
    folder = RunFolders(environment={"HOME": str(tmp_path)}).create(7)
    assert folder == tmp_path / ".local" / "share" / "pirack" / "experiments" / "7"


def test_run_of_another_controller_with_the_same_number_is_kept(tmp_path: Path) -> None:
    folders = RunFolders(tmp_path)
    folders.create(7).joinpath("history.jsonl").write_text("earlier")
    folders.create(7)
    [earlier] = tmp_path.glob("7-*/history.jsonl")
    assert earlier.read_text() == "earlier"
    assert list(tmp_path.joinpath("7").iterdir()) == []


def test_folder_that_cannot_be_created_is_reported_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError) as error:
        RunFolders(tmp_path / "file").create(7)
    assert str(error.value) == (
        f"cannot create {tmp_path}/file/7: Not a directory: set XDG_DATA_HOME to a writable folder"
    )
