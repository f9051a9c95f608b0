"""Tests of atomic file replacement."""

from pathlib import Path

import pytest

from rack.files import (
    rename_durably,
    replace_file,
    replacement_of,
    write_durably,
    write_private,
)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("content", ["new\n", b"new\n"])
def test_replace_file_sets_content_and_mode_and_leaves_no_temporary_file(
    tmp_path: Path, content: str | bytes
) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    replace_file(path, content, mode=0o640)
    assert (path.read_text(), mode_of(path)) == ("new\n", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_failed_replacement_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        replace_file(path, "new\n")
    assert list(tmp_path.iterdir()) == [path]


def test_error_while_a_replacement_is_written_keeps_the_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")

    def write() -> None:
        with replacement_of(path) as file:
            file.write(b"new\n")
            raise ValueError("malformed")

    with pytest.raises(ValueError, match="malformed"):
        write()
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_write_private_gives_access_to_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old\n")
    path.chmod(0o644)
    write_private(path, "secret\n")
    assert (path.read_text(), mode_of(path)) == ("secret\n", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_write_durably_copies_mode_of_existing_file(tmp_path: Path) -> None:
    path, candidate = tmp_path / "dhcpd.conf", tmp_path / "candidate"
    write_durably(candidate, "first\n", like=path)
    rename_durably(candidate, path)
    path.chmod(0o604)
    write_durably(candidate, "second\n", like=path)
    assert (path.read_text(), candidate.read_text()) == ("first\n", "second\n")
    assert mode_of(candidate) == 0o604
