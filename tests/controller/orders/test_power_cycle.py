"""Forced power cycles of a rasp whose pings and uptime a test sets."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from controller.errors import InvalidActionError
from controller.orders.actions import Actions
from controller.orders.blackbox_client import BlackboxClient
from controller.orders.context import OrderContext
from controller.orders.exporter_client import ExporterClient
from controller.orders.model import Order, OrderRequest, PowerTiming
from controller.orders.plan import make_plan, require_timing_possible
from controller.orders.power_actions import switch_power
from controller.orders.tracker import OrderTracker
from controller.ssh.pool import SshPool
from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.clock import Moment
from rack.database import Database
from rack.inventory import Rasp
from rack.power.edges import Edge
from rack.settings import OrderSettings
from tests.controller.fakes import INSTALLED, RACK
from tests.controller.orders.monitored_rasp import MonitoredRasp
from tests.helpers.stack_relays import mock_outlets

RASP = Rasp(1, 1, "b8:27:eb:00:00:01", IPv4Address("127.0.0.1"))
BOOT_SECONDS = 60.0  # on a busy machine
SHORT_BOOT_SECONDS = 0.5  # for rasps that do not boot
ACTIONS = Actions(load_aliases(DEFAULT_PATH))
CYCLE = make_plan(OrderRequest("power_cycle", "stacks", (1,), force=True), ACTIONS, RACK)


class PowerCycle:
    """A forced power cycle of a stack that is on and has one rasp."""

    def __init__(self, rasp: MonitoredRasp, folder: Path, boot_seconds: float) -> None:
        settings = OrderSettings(off_seconds=0.1, boot_seconds=boot_seconds)
        rack = replace(RACK, orders=settings)
        self.outlets = mock_outlets(rack, Database(folder / "pirack.db"))
        self.outlets.switch({rack.outlet(1): True})
        self._context = OrderContext(
            rack,
            lambda: {(1, 1): RASP},
            self.outlets,
            BlackboxClient(f"127.0.0.1:{rasp.port}", "icmp", {}),
            ExporterClient(rasp.port),
            SshPool(folder / "ssh"),
            poll_seconds=0.01,
        )

    def run(self, timing: PowerTiming | None = None, *, is_cancelled: bool = False) -> list[str]:
        """Run the order. Return the results of the stack and of the rasp."""
        order = Order(
            7, CYCLE.request, CYCLE.targets, "tests", "", 0.0, results=CYCLE.open_results([(1, 1)])
        )
        tracker = OrderTracker(order, CYCLE, timing)
        if is_cancelled:
            tracker.cancel()
        asyncio.run(switch_power(self._context, tracker))
        self._context.close()
        return [f"{result.result}: {result.detail}" for result in tracker.order.results]

    @property
    def edges(self) -> list[Edge]:
        return self.outlets.edges.list_recent(10, cause="order 7")[::-1]


@pytest.fixture
def rasp() -> Iterator[MonitoredRasp]:
    rasp = MonitoredRasp()
    yield rasp
    rasp.close()


@pytest.fixture
def cycle(rasp: MonitoredRasp, tmp_path: Path) -> PowerCycle:
    return PowerCycle(rasp, tmp_path, BOOT_SECONDS)


def seconds(moment: Moment | None) -> float:
    assert moment is not None
    return moment.monotonic


def pings_with_a_boot(*before: bool, boot: Callable[[], None]) -> Iterator[bool]:
    yield from before
    boot()


def test_silence_after_the_cut_and_reply_after_the_return_are_saved_with_the_edges(
    rasp: MonitoredRasp, cycle: PowerCycle
) -> None:
    rasp.pings = iter([True, *[False] * 20])
    stack, rasp_result = cycle.run()
    assert stack == "ok: power cut observed: 01-1 stopped replying; is on"
    assert rasp_result.startswith("ok: its power was cut; reachable after ")
    off, on = cycle.edges
    assert (off.is_on, on.is_on) == (False, True)
    assert seconds(off.after) <= seconds(off.first_silence) <= seconds(on.first_answer)
    assert seconds(on.after) <= seconds(on.first_answer)
    assert (off.first_answer, on.first_silence) == (None, None)


def test_boot_between_two_pings_shows_the_cut(rasp: MonitoredRasp, cycle: PowerCycle) -> None:
    rasp.pings = pings_with_a_boot(True, boot=rasp.reboot)
    assert cycle.run()[0].startswith("ok: power cut observed: 01-1 stopped replying")


def test_rasp_that_replies_all_the_time_and_does_not_boot_shows_a_stuck_relay(
    rasp: MonitoredRasp, cycle: PowerCycle
) -> None:
    stack, rasp_result = cycle.run()
    assert stack.startswith("failed: rasps still reply after the cut: the relay is stuck")
    assert rasp_result.startswith("failed: still replies after the cut; reachable after ")


def test_cut_is_unknown_if_the_rasp_replies_and_its_uptime_cannot_be_read(
    rasp: MonitoredRasp, cycle: PowerCycle
) -> None:
    rasp.has_exporter = False
    reason = "unknown: replies again, but its uptime cannot be read: power cut not verified; "
    assert [result.startswith(reason) for result in cycle.run()] == [True, True]


def test_rasp_that_does_not_boot_is_failed(rasp: MonitoredRasp, tmp_path: Path) -> None:
    rasp.pings = iter([True, *[False] * 1000])
    stack, rasp_result = PowerCycle(rasp, tmp_path, SHORT_BOOT_SECONDS).run()
    assert stack.startswith("failed: power cut observed: 01-1 stopped replying; no rasp replies")
    assert rasp_result == "failed: its power was cut; no reply 0.5 s after power-on"


def test_planned_cut_is_not_early_and_the_power_returns_after_the_planned_time(
    rasp: MonitoredRasp, cycle: PowerCycle
) -> None:
    rasp.pings = pings_with_a_boot(True, boot=rasp.reboot)
    at = cycle.outlets.now().monotonic + 0.8
    cycle.run(PowerTiming(0.3, at))
    off, on = cycle.edges
    assert seconds(off.planned) == pytest.approx(at)
    assert seconds(off.before) >= at
    assert seconds(on.planned) == pytest.approx(seconds(off.after) + 0.3)
    assert seconds(on.before) >= seconds(on.planned) - 0.001


def test_order_that_is_canceled_before_its_planned_cut_switches_nothing(
    rasp: MonitoredRasp, cycle: PowerCycle
) -> None:
    at = cycle.outlets.now().monotonic + 1000
    stack, _ = cycle.run(PowerTiming(0.3, at), is_cancelled=True)
    assert (stack, cycle.edges) == ("failed: cancelled before the power cut", [])


def test_planned_times_require_that_all_rasps_may_boot_at_the_same_time() -> None:
    request = OrderRequest("power_cycle", "stacks", (1, 2), force=True)
    plan = make_plan(request, ACTIONS, RACK)
    require_timing_possible(plan, INSTALLED, 8)
    message = "8 rasps would boot at the same time, but orders.max_booting is 7: choose fewer"
    with pytest.raises(InvalidActionError, match=message):
        require_timing_possible(plan, INSTALLED, 7)
    other = make_plan(replace(request, action="power_off"), ACTIONS, RACK)
    with pytest.raises(InvalidActionError, match="only power_cycle accepts planned times"):
        require_timing_possible(other, INSTALLED, 8)
