"""Root sets owners and modes in folders that another user can change."""

import grp
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.ownership import Owner, make_file, make_folder
from deploy.system import MasterSetupError
from tests.helpers.users import OTHER_USER, Victim, folder_of_other_user

OWNER = Owner(OTHER_USER.pw_name, grp.getgrgid(OTHER_USER.pw_gid).gr_name)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder of another user."""
    with folder_of_other_user() as folder:
        yield folder


def status(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid, found.st_mode & 0o7777


def test_folder_gets_owner_and_mode(folder: Path) -> None:
    for _ in range(2):
        make_folder(folder / "new", OWNER, 0o2750)
        assert status(folder / "new") == (*OWNER.ids, 0o2750)


def test_file_is_created_and_later_keeps_content_and_mode(folder: Path) -> None:
    file = folder / "new"
    make_file(file, OWNER)
    assert (status(file), file.read_text()) == ((*OWNER.ids, 0o644), "")
    file.write_text("text")
    file.chmod(0o600)
    os.chown(file, 0, 0)
    make_file(file, OWNER)
    assert (status(file), file.read_text()) == ((*OWNER.ids, 0o600), "text")


def link(planted: Path, target: Path) -> None:
    planted.symlink_to(target)


def hard_link(planted: Path, target: Path) -> None:
    planted.hardlink_to(target)


def pipe(planted: Path, _: Path) -> None:
    os.mkfifo(planted)


@pytest.mark.parametrize("plant", [link, hard_link, pipe])
def test_planted_file_leaves_its_target_unchanged(
    folder: Path, plant: Callable[[Path, Path], None]
) -> None:
    victim = Victim(folder.parent)
    planted = folder / "planted"
    plant(planted, victim.path)
    with pytest.raises(MasterSetupError, match=r"planted is a link or another unexpected file"):
        make_file(planted, OWNER)
    with pytest.raises(MasterSetupError, match=r"planted is a link or another unexpected file"):
        make_folder(planted, OWNER, 0o777)
    assert victim.is_unchanged


def test_link_to_a_folder_leaves_the_folder_unchanged(folder: Path) -> None:
    victim = folder.parent / "victim"
    victim.mkdir(mode=0o700)
    (folder / "planted").symlink_to(victim)
    with pytest.raises(MasterSetupError):
        make_folder(folder / "planted", OWNER, 0o777)
    assert status(victim) == (0, 0, 0o700)


def test_link_to_a_missing_file_creates_nothing(folder: Path) -> None:
    (folder / "planted").symlink_to(folder.parent / "missing")
    with pytest.raises(MasterSetupError):
        make_file(folder / "planted", OWNER)
    assert not (folder.parent / "missing").exists()
