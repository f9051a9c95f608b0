"""Archive of a backup: a compressed tar file with a manifest, readable for its owner only."""

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.backup.contents import Backup, BackupFile
from controller.errors import BackupError
from rack.units import format_bytes

_FORMAT = 1
_MANIFEST, _DATABASE, _FILES = "manifest.json", "pirack.db", "files"
_MAX_BYTES = 2**30
_MAX_PADDING = 2**20


class _Entry(BaseModel):
    """Description of a member of the archive."""

    model_config = ConfigDict(strict=True, extra="forbid")

    size: int = Field(ge=0)
    sha256: str

    @classmethod
    def of(cls, content: bytes, **fields: object) -> Self:
        return cls.model_validate(
            {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **fields}
        )

    def describes(self, content: bytes) -> bool:
        return (self.size, self.sha256) == (len(content), hashlib.sha256(content).hexdigest())


class _FileEntry(_Entry):
    path: str = Field(pattern=r"^/[^\x00]+$")
    mode: int = Field(ge=0, le=0o777)
    user: str
    group: str


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    format: Annotated[int, Field(ge=_FORMAT, le=_FORMAT)]
    created_at: str
    database: _Entry
    files: list[_FileEntry]


def write_archive(path: Path, backup: Backup, now: datetime) -> None:
    """Write a backup to a new file with mode 0600, durably.

    Raises:
        BackupError: If the file exists or cannot be written. Then no file is created.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise BackupError(f"{path} exists: name a new file") from error
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}: name a file in a writable folder") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name, content in _members(backup, now):
                    member = tarfile.TarInfo(name)
                    member.size, member.mode = len(content), 0o600
                    member.mtime = int(now.timestamp())
                    archive.addfile(member, io.BytesIO(content))
            file.flush()
            os.fsync(descriptor)
        _sync_folder(path.parent)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BackupError(f"{path}: {error.strerror}: nothing was written") from error
        raise


def _members(backup: Backup, now: datetime) -> Iterator[tuple[str, bytes]]:
    manifest = _Manifest(
        format=_FORMAT,
        created_at=now.isoformat(),
        database=_Entry.of(backup.database),
        files=[
            _FileEntry.of(
                file.content,
                path=str(file.path),
                mode=file.mode,
                user=file.user,
                group=file.group,
            )
            for file in backup.files
        ],
    )
    yield _MANIFEST, manifest.model_dump_json(indent=2).encode()
    yield _DATABASE, backup.database
    for file in backup.files:
        yield f"{_FILES}{file.path}", file.content


def read_archive(path: Path) -> Backup:
    """Read and verify a backup.

    Raises:
        BackupError: If the file cannot be read, or is not a complete backup.
    """
    try:
        contents = _read_members(path)
        manifest = _Manifest.model_validate_json(contents.pop(_MANIFEST))
    except OSError as error:
        if error.strerror:
            raise BackupError(f"{path}: {error.strerror}: name a readable backup") from error
        raise _invalid(path, str(error)) from error  # gzip
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise _invalid(path, str(error)) from error
    except (KeyError, ValidationError) as error:
        raise _invalid(path, "the manifest is missing or invalid") from error
    expected = {_DATABASE: manifest.database}
    expected |= {f"{_FILES}{entry.path}": entry for entry in manifest.files}
    if expected.keys() != contents.keys() or len(expected) != len(manifest.files) + 1:
        raise _invalid(path, "its members differ from the manifest")
    for name, entry in expected.items():
        if not entry.describes(contents[name]):
            raise _invalid(path, f"{name} differs from the manifest")
    files = tuple(
        BackupFile(
            Path(entry.path),
            entry.mode,
            entry.user,
            entry.group,
            contents[f"{_FILES}{entry.path}"],
        )
        for entry in manifest.files
    )
    return Backup(contents[_DATABASE], files)


def _read_members(path: Path) -> dict[str, bytes]:
    """Return the contents of an archive by name. Nothing is extracted to the file system."""
    contents: dict[str, bytes] = {}
    size = 0
    with gzip.open(path) as unpacked:
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                size += member.size
                if content is None or member.name in contents:
                    raise _invalid(path, f"{member.name!r} is a link, a folder or a duplicate")
                if size > _MAX_BYTES:
                    raise _invalid(path, f"it contains more than {format_bytes(_MAX_BYTES)}")
                contents[member.name] = content.read()
        unpacked.read(_MAX_PADDING)  # checks that the file is complete
    return contents


def _invalid(path: Path, reason: str) -> BackupError:
    return BackupError(f"{path} is not a complete backup of PiRack: {reason}: use another backup")


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot sync folders
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
