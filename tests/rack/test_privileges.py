"""Rights of root in folders of other users."""

import os
import subprocess
from pathlib import Path

import pytest

from rack.privileges import as_owner_of
from tests.helpers.users import (
    OTHER_USER,
    Victim,
    folder_of_other_user,
    python_for_every_user,
)
from tests.helpers.waiting import TIMEOUT_SECONDS


def test_root_has_only_the_rights_of_the_owner_in_the_block() -> None:
    groups = os.getgroups()
    with folder_of_other_user() as folder:
        victim = Victim(folder.parent)
        (folder / "link").symlink_to(victim.path)
        with as_owner_of(folder):
            assert (os.geteuid(), os.getegid()) == (OTHER_USER.pw_uid, OTHER_USER.pw_gid)
            assert 0 not in os.getgroups()
            with pytest.raises(PermissionError):
                (folder / "link").read_text()
            (folder / "new").touch()
        assert (folder / "new").stat().st_uid == OTHER_USER.pw_uid
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)
        assert victim.is_unchanged


def test_links_to_folders_of_root_are_used_with_the_rights_of_their_owner() -> None:
    with folder_of_other_user() as folder:
        (folder / "state").symlink_to("/root")
        with as_owner_of(folder / "state"):
            assert os.geteuid() == OTHER_USER.pw_uid


def test_rights_return_after_an_error() -> None:
    with folder_of_other_user() as folder:
        with pytest.raises(FileNotFoundError), as_owner_of(folder):
            (folder / "missing").read_text()
        assert os.geteuid() == 0


def test_own_and_missing_folders_change_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with as_owner_of(folder):
            assert os.geteuid() == tmp_path.stat().st_uid


@pytest.mark.process
def test_root_of_a_user_namespace_keeps_its_rights(tmp_path: Path) -> None:
    """In the namespace, the folders of the real root belong to an unmapped user."""
    program = (
        "import os, sys; from pathlib import Path; from rack.privileges import as_owner_of\n"
        "with as_owner_of(Path(sys.argv[1])): print(os.geteuid(), Path('/').stat().st_uid)"
    )
    python, variables = python_for_every_user()
    folder = tmp_path if os.geteuid() else Path("/")
    unshare = ["unshare", "--user", "--map-root-user"]
    if os.geteuid() == 0:
        unshare = ["setpriv", "--reuid=1", "--regid=1", "--clear-groups", *unshare]
    completed = subprocess.run(
        [*unshare, python, "-c", program, str(folder)],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if "unshare" in completed.stderr:
        pytest.skip(f"user namespaces are not available: {completed.stderr.strip()}")
    assert (completed.stdout, completed.stderr) == ("0 65534\n", "")
