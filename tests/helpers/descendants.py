"""Find descendants of a process, some of which may end at any moment."""

from collections.abc import Callable
from contextlib import suppress

import psutil


def find_descendants(
    process: psutil.Process, is_wanted: Callable[[psutil.Process], bool]
) -> list[psutil.Process]:
    """Return the matching descendants, without those that have ended in the meantime."""
    found = []
    for descendant in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if is_wanted(descendant):
                found.append(descendant)
    return found
