"""What all tests share: a browser, and the rule on skips.

A test that this machine does not allow is skipped with its reason; so is one for which a program
cannot be had. Where `PIRACK_FORBID_SKIPS=1` is set, as in CI, a skip is a failure that names the
reason.
"""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tools.programs import ProgramError, find

CHROMIUM_FLAGS = [
    "--no-sandbox",  # root, as in CI, has none
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
        pytest.skip(f"Playwright's driver does not run here: {driver.stderr.strip()}")
    with pytest.MonkeyPatch.context() as environment:
        # The driver starts here, and may lack a library that came with Chromium.
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
        report.longrepr = f"PIRACK_FORBID_SKIPS=1 allows no skip, and this was: {reason}"
