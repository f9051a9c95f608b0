"""A browser for all tests, their order, and the handling of skips.

A test is skipped with a reason if the machine does not support it or a program is unavailable. With
`PIRACK_FORBID_SKIPS=1`, as in CI, a skip is a failure with that reason.
"""

import gc
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright

from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import Program, ProgramError, find

pytest_plugins = ["tests.helpers.process_guard"]
# The same examples in each run, without limits for durations, which depend on the load.
settings.register_profile(
    "pirack", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pirack")
expect.set_options(timeout=TIMEOUT_SECONDS * 1000)

CHROMIUM_FLAGS = [
    "--no-sandbox",  # not available to root, as in CI
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The longest files start first, so that none of them is the last. Most of them wait for processes.
# Between them are files that compute.
LONGEST_FILES = (
    "controller/orders/test_power_actions.py",
    "controller/test_outlet_faults.py",
    "virtual_rack/demo/test_poe_demo.py",
    "virtual_rack/demo/test_demo.py",
    "prometheus/test_alerting.py",
    "deploy/test_install_master.py",
    "controller/pages/test_order_pages.py",
    "dhcp_installer/install/test_kill.py",
    "controller/orders/test_orders_in_namespaces.py",
    "controller/web/test_openapi.py",
    "controller/pages/test_rack_page.py",
    "cli/experiments/test_run_commands.py",
    "controller/pages/test_accessibility.py",
    "controller/experiments/test_run_aborts.py",
    "controller/orders/test_poe_power.py",
    "controller/pages/test_api_page.py",
    "controller/test_killed_controller.py",
    "dhcp_installer/install/test_in_namespaces.py",
    "controller/pages/test_alerts_page.py",
    "dhcp_installer/install/test_poe_in_namespaces.py",
    "controller/installation/test_swap_in_namespaces.py",
    "cli/deploy/test_deploy.py",
    "controller/installation/test_killed_install.py",
    "controller/test_relays.py",
    "controller/pages/test_whole_flows.py",
    "cli/experiments/test_real_controller.py",
    "cli/test_order_commands.py",
    "controller/experiments/test_runs.py",
    "virtual_rack/test_ssh.py",
    "rack/power/test_snmp_driver.py",
    "virtual_rack/test_namespaces.py",
    "deploy/test_make_venv.py",
    "dhcp_installer/discovery/test_own_outlets.py",
    "dhcp_installer/discovery/test_strategies.py",
)
SKIPS_FORBIDDEN = os.environ.get("PIRACK_FORBID_SKIPS") == "1"


@pytest.fixture(scope="session")
def chromium() -> Program:
    """Return Chromium if Playwright's driver runs here, else skip the test."""
    chromium = find("chromium")
    driver = subprocess.run(
        [sys.executable, "-m", "playwright", "--version"],
        env=chromium.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if driver.returncode != 0:
        pytest.skip(f"Playwright's driver does not run: {driver.stderr.strip()}")
    return chromium


@pytest.fixture(scope="module")
def browser(chromium: Program) -> Iterator[Browser]:
    """Return a headless Chromium under Playwright.

    Each module starts its own, because Playwright's event loop runs in the thread of the tests
    until it stops.
    """
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files: the longest ones, then a mixture of those that wait and those that compute.

    Tests that start processes often wait. The processors are idle if all workers run such tests.
    """
    waiting = dict.fromkeys(item.path for item in items if item.get_closest_marker("process"))
    computing = dict.fromkeys(item.path for item in items if item.path not in waiting)
    ranks = {
        path: number / len(paths)
        for paths in (waiting, computing)
        for number, path in enumerate(paths)
    }
    folder = Path(__file__).parent
    ranks |= {folder / name: -rank for rank, name in enumerate(reversed(LONGEST_FILES), start=1)}
    items.sort(key=lambda item: ranks[item.path])


def pytest_collection_finish() -> None:
    """Exclude modules and tests from garbage collections, which would take a tenth of the time."""
    gc.collect()
    gc.freeze()


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
