"""What all tests share: the programs they run, and the rule on skips.

A test that this machine does not allow is skipped with its reason. Where `PIRACK_FORBID_SKIPS=1`
is set, as in CI, such a skip is a failure that names the reason.
"""

import functools
import os
from collections.abc import Callable, Generator

import pytest

from virtual_rack.programs import Program, ProgramError, find

FORBIDDEN = os.environ.get("PIRACK_FORBID_SKIPS") == "1"


@functools.cache
def _found(name: str) -> Program | str:
    try:
        return find(name)
    except ProgramError as error:
        return str(error)


@pytest.fixture(scope="session")
def program() -> Callable[[str], Program]:
    """Return a program by its name in `virtual_rack.programs`, or skip the test that needs it."""

    def found_or_skipped(name: str) -> Program:
        found = _found(name)
        if isinstance(found, str):
            pytest.skip(found)
        return found

    return found_or_skipped


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skip(report)
    return report


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if FORBIDDEN and report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"PIRACK_FORBID_SKIPS=1 allows no skip, and this was: {reason}"
