"""Pytest plugin: temporary files are in memory, so that databases do not wait for a disk.

`make check` and `make test` load it. `make verify` tests on the disk.
"""

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 4 * 2**30  # a run of the suite writes 1.5 GB


def pytest_configure() -> None:
    """Select the folder, unless it is too small, cannot run programs, or another one is set."""
    if _is_suitable():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def _is_suitable() -> bool:
    return (
        os.access(_MEMORY, os.W_OK)
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
        and shutil.disk_usage(_MEMORY).free >= _NEEDED_BYTES
    )
