"""Power orders while outlets cannot be switched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.orders.model import OrderState
from tests.controller.orders.outlet_lab import OutletLab, running_outlet_lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[OutletLab]:
    with running_outlet_lab(tmp_path, shutdown_seconds=0.2) as lab:
        yield lab


def test_order_for_a_rasp_fails_with_the_error_of_its_outlet(lab: OutletLab) -> None:
    lab.device.is_away = True
    error = f"failed: {lab.device.error_of('2')}"
    assert lab.run("power_off", "rasps", 2, force=True) == {"01-2": error}
    assert lab.run("power_cycle", "rasps", 2, force=True) == {"01-2": error}
    assert lab.run("power_on", "rasps", 2) == {"01-2": error}
    assert lab.without_power == []
    assert lab.edges == []


def test_rasp_whose_outlet_is_known_to_be_unreachable_is_not_shut_down(lab: OutletLab) -> None:
    lab.device.is_away = True
    lab.outlets.refresh("poe")
    assert lab.run("power_off", "stacks", 1) == {
        "01": f"failed: {lab.device.error_of('1')}; 1 more outlets failed",
        "01-1": f"failed: {lab.device.error_of('1')}",
        "01-2": f"failed: {lab.device.error_of('2')}",
    }
    assert lab.device.requests == []


def test_outlet_that_is_reachable_again_is_switched(lab: OutletLab) -> None:
    lab.device.is_away = True
    lab.outlets.refresh("poe")
    lab.device.is_away = False
    lab.run("power_off", "rasps", 2)
    assert lab.without_power == ["01-2"]


def test_other_outlets_of_the_stack_are_switched(lab: OutletLab) -> None:
    lab.device.broken = {"1"}
    error = lab.device.error_of("1")
    assert lab.run("power_off", "stacks", 1, force=True) == {
        "01": f"failed: power cut observed: 01-2 stopped replying; {error}",
        "01-1": f"failed: {error}",
        "01-2": "ok: its power was cut",
    }
    results = lab.run("power_on", "stacks", 1)
    assert results["01"] == f"failed: is on; {error}"
    assert results["01-2"].startswith("ok: reachable after ")


def test_power_cycle_cycles_the_other_outlets_of_the_stack(lab: OutletLab) -> None:
    lab.device.broken = {"1"}
    error = lab.device.error_of("1")
    results = lab.run("power_cycle", "stacks", 1, force=True)
    assert results["01"] == f"failed: power cut observed: 01-2 stopped replying; {error}; is on"
    assert results["01-1"] == f"failed: {error}"
    assert results["01-2"].startswith("ok: its power was cut; reachable after ")
    assert lab.without_power == []


def test_power_returns_although_the_reply_to_the_cut_was_lost(lab: OutletLab) -> None:
    lab.device.loses_replies = True
    assert lab.run("power_cycle", "rasps", 2, force=True) == {
        "01-2": f"failed: {lab.device.error_of('2')}"
    }
    assert [request["2"] for request in lab.device.requests] == [False, True]
    assert lab.without_power == []


def test_slow_device_holds_up_no_other_stack(lab: OutletLab) -> None:
    lab.device.may_reply.clear()
    slow = lab.submit("power_off", "rasps", 2, force=True)
    results = lab.run("power_off", "stacks", 3, force=True)
    assert results["03"] == "ok: power cut observed: 03-1, 03-2 stopped replying"
    assert lab.orders.get(slow.id).state is OrderState.RUNNING
    lab.device.may_reply.set()
    assert lab.wait(slow) == {"01-2": "ok: its power was cut"}


def test_order_for_the_whole_rack_switches_relays_while_a_device_is_slow(lab: OutletLab) -> None:
    lab.device.is_away = True
    results = lab.run("power_off", "rack", force=True)
    assert lab.without_power == ["03-1", "03-2"]
    assert {name: each.split(":")[0] for name, each in results.items()} == {
        **dict.fromkeys(("01", "01-1", "01-2", "02", "02-1", "02-2"), "failed"),
        **dict.fromkeys(("03", "03-1", "03-2"), "ok"),
    }
