"""Tests of the cache of built images."""

from pathlib import Path

import pytest

from tests.emulated.cache import cached


def test_unchanged_inputs_build_once(tmp_path: Path) -> None:
    builds: list[Path] = []

    def build(path: Path) -> None:
        builds.append(path)
        path.mkdir()

    first = cached("root", [b"a", b"b"], build, tmp_path)
    assert cached("root", [b"a", b"b"], build, tmp_path) == first
    assert first.is_dir()
    assert len(builds) == 1


def test_changed_inputs_replace_the_previous_version(tmp_path: Path) -> None:
    def build(path: Path) -> None:
        path.write_text("image")

    old = cached("card", [b"ab", b"c"], build, tmp_path)
    new = cached("card", [b"a", b"bc"], build, tmp_path)
    assert new != old
    assert new.read_text() == "image"
    assert not old.exists()


def test_failed_build_is_repeated(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.mkdir()
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        cached("root", [b"a"], fail, tmp_path)
    assert cached("root", [b"a"], lambda path: path.mkdir(), tmp_path).is_dir()
