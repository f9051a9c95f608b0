"""Pytest plugin: a test that starts a process requires the marker `process`.

`make check` deselects these tests, because they are slow and depend on the machine.
"""

import sys
from collections.abc import Generator

import pytest

_EVENTS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}


class _Guard:
    """Audit hook that fails the running test if it may not start a process."""

    def __init__(self) -> None:
        self.item: pytest.Item | None = None

    def __call__(self, event: str, _arguments: object) -> None:
        if self.item and event in _EVENTS and not self.item.get_closest_marker("process"):
            pytest.fail(
                f"{self.item.nodeid} starts a process ({event}): mark the test with"
                " @pytest.mark.process, or its module with pytestmark = pytest.mark.process",
                pytrace=False,
            )


_guard = _Guard()
sys.addaudithook(_guard)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    _guard.item = item
    try:
        return (yield)
    finally:
        _guard.item = None
