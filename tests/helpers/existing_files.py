"""Read files, some of which may be removed at any moment."""

import errno
from collections.abc import Iterable
from pathlib import Path

_REMOVED = {errno.ENOENT, errno.ENODEV, errno.ENXIO}


def read_existing(files: Iterable[Path]) -> dict[Path, bytes]:
    """Return the contents of files, without those that were removed in the meantime."""
    contents = {}
    for file in files:
        try:
            contents[file] = file.read_bytes()
        except OSError as error:
            if error.errno not in _REMOVED:
                raise
    return contents


def loop_device_files() -> list[str]:
    """Return the files that have a loop device of this machine."""
    attributes = Path("/sys/block").glob("loop*/loop/backing_file")
    return [content.decode() for content in read_existing(attributes).values()]
