"""Threads that a test has started."""

import threading
from collections.abc import Collection


def running_threads() -> Collection[threading.Thread]:
    """Return the running threads, some of which can be of earlier tests."""
    return set(threading.enumerate())


def new_threads(earlier: Collection[threading.Thread]) -> Collection[threading.Thread]:
    """Return the running threads that are not among earlier ones, which can end at any time."""
    return set(threading.enumerate()) - set(earlier)
