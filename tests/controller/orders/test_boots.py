"""Reboots of a rasp whose pings, uptime and clock a test sets."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from controller.orders.actions import Actions
from controller.orders.blackbox_client import BlackboxClient
from controller.orders.boots import wait_for_reboot
from controller.orders.context import OrderContext
from controller.orders.exporter_client import ExporterClient
from controller.orders.model import Order, OrderRequest, StepResult, failed, unknown
from controller.orders.plan import make_plan
from controller.orders.tracker import OrderTracker
from controller.ssh.pool import SshPool
from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.database import Database
from rack.inventory import Rasp
from rack.settings import OrderSettings
from tests.controller.fakes import RACK
from tests.controller.orders.monitored_rasp import MonitoredRasp
from tests.helpers.stack_relays import mock_outlets

RASP = Rasp(1, 1, "b8:27:eb:00:00:01", IPv4Address("127.0.0.1"))
NTP_STEP = 3600.0

SHORT_SECONDS = 0.5  # for limits that are exceeded

Wait = Callable[..., StepResult]


@pytest.fixture
def rasp() -> Iterator[MonitoredRasp]:
    rasp = MonitoredRasp()
    yield rasp
    rasp.close()


@pytest.fixture
def wait(rasp: MonitoredRasp, tmp_path: Path) -> Wait:
    """Wait for a reboot that was requested now. Return its result.

    The default time limits are for a busy machine.
    """

    def wait(
        *, shutdown_seconds: float = 60.0, boot_seconds: float = 60.0, is_cancelled: bool = False
    ) -> StepResult:
        settings = OrderSettings(shutdown_seconds=shutdown_seconds, boot_seconds=boot_seconds)
        rack = replace(RACK, orders=settings)
        actions = Actions(load_aliases(DEFAULT_PATH))
        plan = make_plan(OrderRequest("reboot", "rasps", (1,)), actions, rack)
        order = Order(
            1, plan.request, plan.targets, "tests", "", 0.0, results=plan.open_results([(1, 1)])
        )
        context = OrderContext(
            rack,
            lambda: {(1, 1): RASP},
            mock_outlets(rack, Database(tmp_path / "pirack.db")),
            BlackboxClient(f"127.0.0.1:{rasp.port}", "icmp", {}),
            ExporterClient(rasp.port),
            SshPool(tmp_path / "ssh"),
            poll_seconds=0.01,
        )

        async def wait_for_result() -> StepResult:
            since = asyncio.get_running_loop().time()
            tracker = OrderTracker(order, plan)
            if is_cancelled:
                tracker.cancel()
            result = await wait_for_reboot(context, tracker, plan.slots[0], RASP, since)
            context.close()
            return result

        return asyncio.run(wait_for_result())

    return wait


def test_rasp_that_stays_up_did_not_reboot_although_its_clock_is_set(
    rasp: MonitoredRasp, wait: Wait
) -> None:
    def set_clock() -> None:
        rasp.clock_offset = NTP_STEP

    rasp.after_ping = set_clock
    result = wait(shutdown_seconds=SHORT_SECONDS)
    assert result == failed("did not go down within 0.5 s")


def test_reboot_of_a_canceled_order_is_unknown_while_the_rasp_still_replies(
    rasp: MonitoredRasp, wait: Wait
) -> None:
    assert wait(is_cancelled=True) == unknown("reboot not verified: the order was cancelled")


def test_lost_pings_are_not_a_reboot(rasp: MonitoredRasp, wait: Wait) -> None:
    rasp.pings = iter([True, False, False, False, False])
    result = wait(boot_seconds=SHORT_SECONDS)
    assert result == failed("replies again, but did not reboot: its uptime did not start again")


def test_rebooted_rasp_is_back_although_its_clock_is_wrong(rasp: MonitoredRasp, wait: Wait) -> None:
    rasp.clock_offset = -time.time()  # January 1970

    def pings() -> Iterator[bool]:
        yield from (True, False, False, False)
        rasp.reboot()

    rasp.pings = pings()
    assert wait().detail.startswith("back after ")


def test_reboot_between_two_pings_is_detected(rasp: MonitoredRasp, wait: Wait) -> None:
    def pings() -> Iterator[bool]:
        yield True
        rasp.reboot()

    rasp.pings = pings()
    assert wait().detail.startswith("back after ")


def test_reboot_is_unknown_if_the_uptime_cannot_be_read(rasp: MonitoredRasp, wait: Wait) -> None:
    rasp.has_exporter = False
    rasp.pings = iter([False, False, False])
    result = wait(boot_seconds=SHORT_SECONDS)
    assert result == unknown("replies again, but its uptime cannot be read: reboot not verified")


def test_rasp_that_stays_down_is_failed(rasp: MonitoredRasp, wait: Wait) -> None:
    rasp.pings = iter([False] * 1000)
    result = wait(boot_seconds=SHORT_SECONDS)
    assert result == failed("no reply 0.5 s after it went down")
