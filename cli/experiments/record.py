"""Records: the folder of a run on the user's machine, and the zip archive of it.

docs/reference/experiment-record.md describes each file and field.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from cli.experiments.edn import to_edn
from cli.experiments.history import HistoryError, read_history
from cli.experiments.models import ApiRun
from cli.experiments.ro_crate import METADATA_FILE, crate_metadata
from cli.models import DecodeError, decode
from rack.errors import PiRackError
from rack.files import replace_file, replacement_of

RUN_FILE = "run.json"
EVENTS_FILE = "events.jsonl"
HISTORY_FILE = "history.jsonl"
EDN_FILE = "history.edn"

_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(edn|json|jsonl|openmetrics|stderr|stdout|toml)"
)
_EARLIEST_DATE = (1980, 1, 1, 0, 0, 0)  # of zip archives
_UNIX = 3
_FILE_MODE = 0o100644 << 16


class RecordError(PiRackError):
    """A record cannot be read or written. The text names the file, the problem and a fix."""


def complete(folder: Path) -> list[str]:
    """Write the files of a record that follow from its other files.

    Returns:
        Why a file is missing, one line each.

    Raises:
        RecordError: If the folder cannot be read or written.
    """
    try:
        return [*_write_edn(folder), *_write_metadata(folder)]
    except OSError as error:
        raise _write_error(folder, error) from error


def write_zip(folder: Path, file: Path) -> None:
    """Write the files of a record as a zip archive.

    The same files give the same archive, because it contains neither times nor owners.

    Raises:
        RecordError: If a file cannot be read or written.
    """
    try:
        names = sorted(_sizes(folder))
        with replacement_of(file) as target, ZipFile(target, "w") as archive:
            for name in names:
                info = ZipInfo(name, _EARLIEST_DATE)
                info.compress_type = ZIP_DEFLATED
                info.create_system = _UNIX
                info.external_attr = _FILE_MODE
                with (
                    (folder / name).open("rb") as source,
                    archive.open(info, "w", force_zip64=True) as entry,
                ):
                    shutil.copyfileobj(source, entry)
    except OSError as error:
        raise _write_error(file, error) from error


def _write_edn(folder: Path) -> list[str]:
    if not (folder / HISTORY_FILE).exists():
        return []
    try:
        with replacement_of(folder / EDN_FILE) as file:
            for line in to_edn(read_history(folder / HISTORY_FILE)):
                file.write(line.encode("utf-8", errors="backslashreplace"))
    except HistoryError as error:
        return [f"the record has no {EDN_FILE}: {error}"]
    return []


def _write_metadata(folder: Path) -> list[str]:
    try:
        run = decode(ApiRun, json.loads((folder / RUN_FILE).read_bytes()))
    except FileNotFoundError:
        return [f"the record has no {METADATA_FILE}: {RUN_FILE} is missing"]
    except (ValueError, DecodeError, RecursionError) as error:
        return [f"the record has no {METADATA_FILE}: {RUN_FILE} is malformed, {error}"]
    metadata = crate_metadata(run, _sizes(folder))
    text = json.dumps(metadata, indent=2, ensure_ascii=False)
    replace_file(folder / METADATA_FILE, f"{text}\n")
    return []


def _sizes(folder: Path) -> Mapping[str, int]:
    """Return the sizes of the files of a record."""
    return {
        path.name: path.stat().st_size
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink()
    }


def _write_error(path: Path, error: OSError) -> RecordError:
    place = error.filename or path
    return RecordError(f"{place}: {error.strerror}: name a file in a folder that you can write")
