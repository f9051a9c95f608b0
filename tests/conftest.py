"""A browser for all tests, and the handling of skips.

A test is skipped with a reason if the machine does not support it or a program is unavailable. With
`PIRACK_FORBID_SKIPS=1`, as in CI, a skip is a failure with that reason.
"""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tools.programs import ProgramError, find

CHROMIUM_FLAGS = [
    "--no-sandbox",  # not available to root, as in CI
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SKIPS_FORBIDDEN = os.environ.get("PIRACK_FORBID_SKIPS") == "1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium under Playwright, or skip the test."""
    chromium = find("chromium")
    driver = subprocess.run(
        [sys.executable, "-m", "playwright", "--version"],
        env=chromium.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if driver.returncode != 0:
        pytest.skip(f"Playwright's driver does not run: {driver.stderr.strip()}")
    with pytest.MonkeyPatch.context() as environment:
        # The driver inherits this environment and may need the libraries of Chromium.
        for name, value in chromium.extra_environment.items():
            environment.setenv(name, value)
        playwright = sync_playwright().start()
    browser = playwright.chromium.launch(
        executable_path=str(chromium.path), env={**chromium.environment}, args=CHROMIUM_FLAGS
    )
    yield browser
    browser.close()
    playwright.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(ProgramError):
        file, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (file, (line or 0) + 1, f"Skipped: {call.excinfo.value}")
    if not hasattr(report, "wasxfail"):
        _fail_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_skipped(report)
    return report


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if SKIPS_FORBIDDEN and report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped despite PIRACK_FORBID_SKIPS=1: {reason}"
