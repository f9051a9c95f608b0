"""Records that are read from a folder or from a zip archive, which may be of another person."""

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile, ZipFile

from cli.experiments.models import ApiRun, ApiRunEvent
from cli.experiments.record import EVENTS_FILE, RUN_FILE, RecordError
from cli.models import DecodeError, decode
from rack.units import format_bytes

_MAX_ARCHIVE_FILES = 1_000
_MAX_FILE_BYTES = 64 * 2**20
_MAX_TEXT = 1_000
_HINT = "name the folder of a run, or an archive of `pirack experiment export`"
# What zipfile raises for damaged archives, encrypted ones, and unknown methods of compression.
_ZIP_ERRORS = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)

_ReadFile = Callable[[str], bytes]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Record:
    """A record of a run.

    Attributes:
        path: Folder or archive from which it was read.
        run: The run.
        statistics: Numbers and texts of its verdict.
        events: Its events.
    """

    path: Path
    run: ApiRun
    statistics: Mapping[str, float | str]
    events: tuple[ApiRunEvent, ...]


def read(path: Path) -> Record:
    """Read a record from its folder or zip archive. Write no file.

    Raises:
        RecordError: If the record is incomplete, malformed or too large.
    """
    try:
        if path.is_dir():
            return _read(path, lambda name: _read_file(path / name))
        with _open_archive(path) as archive:
            return _read(path, lambda name: _read_entry(archive, name))
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}: {_HINT}") from error
    except _FormatError as error:
        raise RecordError(f"{path}: {error}: {_HINT}") from error


class _FormatError(ValueError):
    """A record is malformed. The text names the file in it and the problem."""


def _read(path: Path, read_file: _ReadFile) -> Record:
    run = _parse(read_file(RUN_FILE), RUN_FILE)
    lines = read_file(EVENTS_FILE).splitlines()
    return Record(
        path=path,
        run=_decode(ApiRun, run, RUN_FILE),
        statistics=_statistics(run),
        events=tuple(
            _decode(ApiRunEvent, _parse(line, place), place)
            for place, line in (
                (f"{EVENTS_FILE} line {n}", line) for n, line in enumerate(lines, 1)
            )
        ),
    )


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return _bounded(file.read(_MAX_FILE_BYTES + 1), path.name)


def _open_archive(path: Path) -> ZipFile:
    try:
        archive = ZipFile(path)
    except _ZIP_ERRORS as error:
        raise _FormatError("not a zip archive, or damaged") from error
    if len(archive.infolist()) > _MAX_ARCHIVE_FILES:
        archive.close()
        raise _FormatError(f"more than {_MAX_ARCHIVE_FILES:,} files")
    return archive


def _read_entry(archive: ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as file:
            return _bounded(file.read(_MAX_FILE_BYTES + 1), name)
    except KeyError as error:
        raise _FormatError(f"{name} is missing") from error
    except _FormatError:
        raise
    except _ZIP_ERRORS as error:
        raise _FormatError(f"{name} is damaged or encrypted") from error


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > _MAX_FILE_BYTES:
        raise _FormatError(f"{name} is larger than {format_bytes(_MAX_FILE_BYTES)}")
    return content


def _parse(content: bytes, place: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _FormatError(f"{place} is not JSON") from error


def _decode(expected: type[_T], value: Any, place: str) -> _T:
    try:
        return decode(expected, value)
    except DecodeError as error:
        raise _FormatError(f"{place} is malformed, {error}") from error


def _statistics(run: Any) -> dict[str, float | str]:
    """Return the numbers and short texts of a verdict, whatever the check has named them."""
    verdict = run.get("verdict") if isinstance(run, dict) else None
    statistics = verdict.get("statistics") if isinstance(verdict, dict) else None
    if not isinstance(statistics, dict):
        return {}
    return {
        name: value if isinstance(value, int | float) else value[:_MAX_TEXT]
        for name, value in statistics.items()
        if isinstance(value, int | float | str)
    }
