"""A mounted boot partition gets all files or none."""

from pathlib import Path

import pytest

from cli.card.contents import CardError
from cli.card.partition import MountedPartition
from tests.cli.card.stock_images import BOOKWORM, write_boot_folder


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else "a folder"
        for path in folder.rglob("*")
    }


def test_all_files_are_written(tmp_path: Path) -> None:
    boot = write_boot_folder(tmp_path / "boot", BOOKWORM)
    MountedPartition(boot).write({"pirack/id": b"1\n", "cmdline.txt": b"new\n"})
    assert snapshot(boot) == {
        **BOOKWORM,
        "pirack": "a folder",
        "pirack/id": "1\n",
        "cmdline.txt": "new\n",
    }


def test_file_that_cannot_be_written_leaves_the_partition_unchanged(tmp_path: Path) -> None:
    boot = write_boot_folder(tmp_path / "boot", BOOKWORM)
    (boot / "cmdline.txt.new").mkdir()
    previous = snapshot(boot)
    with pytest.raises(CardError, match=r"^cannot write .*/cmdline\.txt: .*: mount the partition"):
        MountedPartition(boot).write({"pirack/id": b"1\n", "cmdline.txt": b"new\n"})
    assert snapshot(boot) == previous


def test_file_that_cannot_be_replaced_restores_those_before_it(tmp_path: Path) -> None:
    boot = write_boot_folder(tmp_path / "boot", BOOKWORM)
    (boot / "user-data").mkdir()
    previous = snapshot(boot)
    with pytest.raises(CardError, match=r"^cannot read .*/user-data: Is a directory"):
        MountedPartition(boot).write(
            {"pirack/id": b"1\n", "cmdline.txt": b"new\n", "user-data": b"new\n"}
        )
    assert snapshot(boot) == previous
