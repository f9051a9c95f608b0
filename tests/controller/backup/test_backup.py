"""Backup and restoration of the files of a rack."""

import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.auth.roles import Role
from controller.auth.users import Users
from controller.backup.archive import read_archive, write_archive
from controller.backup.contents import Backup, BackupPaths, make_backup
from controller.backup.restore import restore_backup
from controller.errors import BackupError
from controller.ssh.master_key import MasterKey
from rack import schema
from rack.database import Database
from rack.errors import DatabaseError
from rack.lock import CONTROLLER, DatabaseInUseError, exclusive_access
from tests.controller.http_client import add_user
from tests.helpers.layouts import layout_text
from tests.helpers.users import OTHER_USER, Victim, folder_of_other_user, give_to_other_user

NOW = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)
PASSWORD = "a long password"


class RackFiles:
    """The files of a master below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = folder / "backup.tar.gz"
        self.settings = folder / "settings"
        self.settings.mkdir()
        self.layout = self.settings / "rack.toml"
        self.layout.write_text(layout_text())
        self.secret_file = self.settings / "mail.yml"
        self.secret_file.write_bytes(b"password: \xfc\0\n")
        self.secret_file.chmod(0o640)
        self.state = folder / "state"
        self.state.mkdir()
        self.database = self.state / "pirack.db"
        add_user(Database(self.database), "anna", Role.ADMIN, PASSWORD)
        MasterKey(self.state / "ssh").create()
        self.key = self.state / "ssh" / "id_ed25519"
        self.skipped: list[Path] = []

    @property
    def paths(self) -> BackupPaths:
        others = (self.state / "ssh", self.state / "alerts.secret", self.settings)
        return BackupPaths(self.database, self.layout, others)

    @property
    def users(self) -> list[str]:
        return [user.name for user in Users(Database(self.database)).all()]

    def back_up(self) -> Backup:
        backup = make_backup(self.paths, self.skipped.append)
        write_archive(self.archive, backup, NOW)
        return backup

    def restore(self) -> None:
        restore_backup(read_archive(self.archive), self.paths)

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        """Return mode and content of all files except the database's own."""
        return {
            str(path): (path.stat().st_mode, path.read_bytes())
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and "pirack.db" not in path.name
        }


@pytest.fixture
def rack_files(tmp_path: Path) -> RackFiles:
    return RackFiles(tmp_path)


def test_restoration_returns_contents_and_modes(rack_files: RackFiles) -> None:
    rack_files.back_up()
    previous = rack_files.snapshot()
    add_user(Database(rack_files.database), "bert", Role.VIEWER, PASSWORD)
    rack_files.key.unlink()
    rack_files.secret_file.write_text("changed")
    rack_files.secret_file.chmod(0o644)
    rack_files.restore()
    assert rack_files.snapshot() == previous
    assert rack_files.users == ["anna"]


def test_archive_is_readable_for_its_owner_only_and_never_replaced(rack_files: RackFiles) -> None:
    umask = os.umask(0)
    try:
        rack_files.back_up()
    finally:
        os.umask(umask)
    assert rack_files.archive.stat().st_mode & 0o777 == 0o600
    previous = rack_files.archive.read_bytes()
    with pytest.raises(BackupError, match="exists: name a new file"):
        rack_files.back_up()
    assert rack_files.archive.read_bytes() == previous


def test_archive_is_not_written_through_a_link(rack_files: RackFiles) -> None:
    rack_files.archive.symlink_to(rack_files.folder / "elsewhere")
    with pytest.raises(BackupError, match="exists"):
        rack_files.back_up()
    assert not (rack_files.folder / "elsewhere").exists()


@pytest.mark.parametrize("left", ["nothing", "empty", "damaged"])
def test_lost_database_is_restored(rack_files: RackFiles, left: str) -> None:
    rack_files.back_up()
    rack_files.database.unlink()
    if left != "nothing":
        rack_files.database.write_bytes(b"" if left == "empty" else b"damaged" * 1000)
    with pytest.raises(DatabaseError):
        Database(rack_files.database)
    rack_files.restore()
    assert rack_files.users == ["anna"]


def test_backup_of_another_installation_brings_its_mark(
    rack_files: RackFiles, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rack_files.back_up()
    (rack_files.state / "pirack.database-id").write_text("0" * 32)
    rack_files.restore()
    assert rack_files.users == ["anna"]


def test_log_of_previous_database_is_not_applied(rack_files: RackFiles) -> None:
    rack_files.back_up()
    with closing(sqlite3.connect(rack_files.database, isolation_level=None)) as open_connection:
        open_connection.execute("DELETE FROM users")
        assert (rack_files.state / "pirack.db-wal").stat().st_size
        rack_files.restore()
    assert rack_files.users == ["anna"]


def test_running_controller_refuses_restoration(rack_files: RackFiles) -> None:
    rack_files.back_up()
    rack_files.secret_file.write_text("changed")
    previous = rack_files.snapshot()
    with (
        exclusive_access(rack_files.database, CONTROLLER),
        pytest.raises(DatabaseInUseError, match="another controller"),
    ):
        rack_files.restore()
    assert rack_files.snapshot() == previous


def test_links_are_skipped_and_reported(rack_files: RackFiles) -> None:
    link = rack_files.settings / "link"
    link.symlink_to("/etc/passwd")
    (rack_files.settings / "shipped").symlink_to(Path("prometheus/prometheus.yml").absolute())
    backup = rack_files.back_up()
    assert rack_files.skipped == [link]
    assert [file.path.name for file in backup.files] == [
        *("mail.yml", "rack.toml", "id_ed25519", "id_ed25519.pub")
    ]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_truncated_archive_changes_nothing(rack_files: RackFiles, part: float) -> None:
    rack_files.back_up()
    content = rack_files.archive.read_bytes()
    rack_files.archive.write_bytes(content[: int(len(content) * part)])
    rack_files.secret_file.write_text("changed")
    assert_rejected(rack_files, "is not a complete backup of PiRack")


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08\0"])
def test_other_file_is_rejected(rack_files: RackFiles, content: bytes) -> None:
    rack_files.archive.write_bytes(content)
    assert_rejected(rack_files, "is not a complete backup of PiRack")


def assert_rejected(rack_files: RackFiles, message: str) -> None:
    """Check that a restoration fails with this message and changes no file."""
    previous, users = rack_files.snapshot(), rack_files.users
    with pytest.raises(BackupError, match=message):
        rack_files.restore()
    assert rack_files.snapshot() == previous
    assert rack_files.users == users


Members = dict[str, tuple[tarfile.TarInfo, bytes]]


def rewrite(rack_files: RackFiles, change: Callable[[Members], None]) -> None:
    """Change the members of the archive."""
    members: Members = {}
    with tarfile.open(rack_files.archive) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            members[member.name] = (member, file.read())
    change(members)
    with tarfile.open(rack_files.archive, "w:gz") as archive:
        for member, content in members.values():
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def add_file(path: str, **fields: object) -> Callable[[Members], None]:
    """Return a change that adds a file which the manifest describes correctly."""

    def change(members: Members) -> None:
        content = b"hostile"
        entry = {
            "path": path,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "mode": 0o644,
            "user": "root",
            "group": "root",
        }
        member, text = members["manifest.json"]
        manifest = json.loads(text)
        manifest["files"].append({**entry, **fields})
        members["manifest.json"] = (member, json.dumps(manifest).encode())
        members["hostile"] = (tarfile.TarInfo(f"files{path}"), content)

    return change


def replace_by(kind: bytes) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        name = next(name for name in members if name.endswith("mail.yml"))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        members[name] = (member, b"")

    return change


def duplicate(members: Members) -> None:
    members["again"] = members["pirack.db"]


def remove(members: Members) -> None:
    del members[next(name for name in members if name.endswith("mail.yml"))]


def alter(members: Members) -> None:
    name = next(name for name in members if name.endswith("mail.yml"))
    members[name] = (members[name][0], b"PASSWORD: \xfc\0\n")


def no_manifest(members: Members) -> None:
    del members["manifest.json"]


def deep_manifest(members: Members) -> None:
    members["manifest.json"] = (members["manifest.json"][0], b"[" * 100_000)


@pytest.mark.parametrize(
    "change",
    [
        replace_by(tarfile.SYMTYPE),
        replace_by(tarfile.LNKTYPE),
        replace_by(tarfile.CHRTYPE),
        replace_by(tarfile.DIRTYPE),
        duplicate,
        remove,
        alter,
        no_manifest,
        deep_manifest,
        add_file("/etc/hostile", mode=0o4755),
        add_file("relative"),
    ],
)
def test_hostile_archive_is_not_a_complete_backup(
    rack_files: RackFiles, change: Callable[[Members], None]
) -> None:
    rack_files.back_up()
    rewrite(rack_files, change)
    assert_rejected(rack_files, "is not a complete backup of PiRack")


@pytest.mark.parametrize(
    "path", ["/etc/pirack-hostile", "{settings}/../hostile", "{settings}-hostile", "{database}"]
)
def test_file_outside_of_the_rack_is_rejected(rack_files: RackFiles, path: str) -> None:
    rack_files.back_up()
    path = path.format(settings=rack_files.settings, database=rack_files.database)
    rewrite(rack_files, add_file(path))
    assert_rejected(rack_files, "which does not belong to this rack")
    assert not Path("/etc/pirack-hostile").exists()


def test_unknown_owner_is_rejected(rack_files: RackFiles) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root sets owners")
    rack_files.back_up()
    rewrite(rack_files, add_file(f"{rack_files.settings}/new", user="no-such-user"))
    assert_rejected(rack_files, "no such user")


def test_link_in_place_of_a_folder_is_rejected(rack_files: RackFiles) -> None:
    rack_files.back_up()
    (rack_files.state / "ssh").rename(rack_files.folder / "kept")
    (rack_files.state / "ssh").symlink_to(rack_files.folder / "kept")
    assert_rejected(rack_files, "ssh is a link: remove it")


def damaged(content: bytes) -> bytes:
    return content[:4096] + b"\xff" * 100 + content[4196:]


def newer(content: bytes) -> bytes:
    return content[:60] + (len(schema.MIGRATIONS) + 1).to_bytes(4, "big") + content[64:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damaged, "the database in the backup is damaged"),
        (newer, "which this PiRack does not support: upgrade PiRack"),
        (lambda _: b"", "the database in the backup has the schema 0"),
    ],
)
def test_unusable_database_is_rejected(
    rack_files: RackFiles, change: Callable[[bytes], bytes], message: str
) -> None:
    backup = make_backup(rack_files.paths, rack_files.skipped.append)
    write_archive(rack_files.archive, replace(backup, database=change(backup.database)), NOW)
    rack_files.secret_file.write_text("changed")
    assert_rejected(rack_files, message)


@pytest.fixture
def files_of_other_user() -> Iterator[RackFiles]:
    """Return the files of a master whose state belongs to the controller's user."""
    with folder_of_other_user() as folder:
        rack_files = RackFiles(folder.parent)
        give_to_other_user(rack_files.state, *rack_files.state.rglob("*"))
        yield rack_files


def test_root_keeps_the_owners_of_all_files(files_of_other_user: RackFiles) -> None:
    rack_files = files_of_other_user
    rack_files.back_up()
    rack_files.key.unlink()
    rack_files.secret_file.unlink()
    rack_files.restore()
    for path in (rack_files.key, rack_files.database, rack_files.state / "pirack.database-id"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (OTHER_USER.pw_uid, 0o600)
    assert rack_files.secret_file.stat().st_uid == 0


def test_root_reads_no_file_through_a_link_of_another_user(files_of_other_user: RackFiles) -> None:
    rack_files = files_of_other_user
    victim = Victim(rack_files.folder)
    rack_files.key.unlink()
    rack_files.key.symlink_to(victim.path)
    (rack_files.state / "alerts.secret").symlink_to(victim.path)
    backup = rack_files.back_up()
    assert all(b"secret" not in file.content for file in backup.files)
    assert rack_files.skipped == [rack_files.key, rack_files.state / "alerts.secret"]


def test_root_writes_no_file_through_a_link_of_another_user(files_of_other_user: RackFiles) -> None:
    rack_files = files_of_other_user
    rack_files.back_up()
    victim = Victim(rack_files.folder)
    for name in ("pirack.db", "pirack.db.lock", "pirack.database-id"):
        (rack_files.state / name).unlink(missing_ok=True)
        (rack_files.state / name).symlink_to(victim.path)
        give_to_other_user(rack_files.state / name)
    with pytest.raises(DatabaseError):  # the lock file is a link
        rack_files.restore()
    (rack_files.state / "pirack.db.lock").unlink()
    rack_files.restore()
    assert rack_files.users == ["anna"]
    assert victim.is_unchanged


def test_missing_archive_is_reported(rack_files: RackFiles) -> None:
    assert_rejected(rack_files, "backup.tar.gz: No such file or directory: name a readable backup")
