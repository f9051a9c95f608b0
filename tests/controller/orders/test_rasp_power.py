"""Power orders for single rasps, and for stacks whose rasps have outlets of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import InvalidActionError
from controller.orders.model import OrderRequest, OrderState
from tests.controller.orders.outlet_lab import OutletLab, running_outlet_lab
from tests.helpers.waiting import wait_until


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[OutletLab]:
    with running_outlet_lab(tmp_path) as lab:
        yield lab


def test_power_off_of_one_rasp_takes_that_rasp_alone_down(lab: OutletLab) -> None:
    powered_at = dict(lab.powered_at)
    assert lab.run("power_off", "rasps", 2, force=True) == {"01-2": "ok: its power was cut"}
    assert lab.without_power == ["01-2"]
    assert lab.powered_at | {"01-2": powered_at["01-2"]} == powered_at
    assert lab.device.requests == [{"2": False}]
    assert [(edge.stack, edge.slot, edge.is_on) for edge in lab.edges] == [(1, 2, False)]
    assert lab.edges[0].first_silence is not None


def test_rasp_that_was_switched_off_boots_alone(lab: OutletLab) -> None:
    lab.run("power_off", "rasps", 2, force=True)
    powered_at = dict(lab.powered_at)
    [result] = lab.run("power_on", "rasps", 2).values()
    assert result.startswith("ok: reachable after ")
    assert lab.without_power == []
    assert [name for name, time in lab.powered_at.items() if time != powered_at[name]] == ["01-2"]
    assert lab.run("power_on", "rasps", 2) == {"01-2": "ok: reachable"}


def test_power_cycle_of_several_rasps_cycles_no_other(lab: OutletLab) -> None:
    powered_at = dict(lab.powered_at)
    results = lab.run("power_cycle", "rasps", 1, 4, force=True)
    assert list(results) == ["01-1", "02-2"]
    assert all(
        each.startswith("ok: its power was cut; reachable after ") for each in results.values()
    )
    cycled = [name for name, time in lab.powered_at.items() if time != powered_at[name]]
    assert cycled == ["01-1", "02-2"]
    assert lab.device.requests == [{"1": False, "4": False}, {"1": True, "4": True}]


def test_order_without_force_shuts_down_the_chosen_rasp_only(tmp_path: Path) -> None:
    with running_outlet_lab(tmp_path, shutdown_seconds=0.2) as lab:
        [result] = lab.run("power_off", "rasps", 3).values()
        assert result.startswith("failed: shutdown was not started (")  # nothing listens for SSH
        assert result.endswith("; its power was cut")
        assert lab.without_power == ["02-1"]


def test_stack_with_an_outlet_for_each_rasp_is_switched_as_one(lab: OutletLab) -> None:
    results = lab.run("power_off", "stacks", 1, force=True)
    assert results == {
        "01": "ok: power cut observed: 01-1, 01-2 stopped replying",
        "01-1": "ok: its power was cut",
        "01-2": "ok: its power was cut",
    }
    assert lab.device.requests == [{"1": False, "2": False}]
    assert {each[:2] for each in lab.run("power_on", "stacks", 1).values()} == {"ok"}
    assert lab.without_power == []


def test_stack_is_switched_off_after_one_of_its_rasps(lab: OutletLab) -> None:
    lab.run("power_off", "rasps", 1, force=True)
    results = lab.run("power_off", "stacks", 1, force=True)
    assert results == {
        "01": "ok: power cut observed: 01-2 stopped replying",
        "01-1": "ok: was already switched off",
        "01-2": "ok: its power was cut",
    }


def test_whole_rack_boots_in_batches_of_max_booting(tmp_path: Path) -> None:
    with running_outlet_lab(tmp_path, max_booting=1, boot_seconds=0.3) as lab:
        lab.run("power_off", "rack", force=True)
        assert len(lab.without_power) == 6
        results = lab.run("power_on", "rack")
        assert {each[:2] for each in results.values()} == {"ok"}
        assert lab.without_power == []
        assert lab.most_booting == 1


def test_rasps_that_share_an_outlet_are_rejected(lab: OutletLab) -> None:
    expected = "03-2 shares its outlet with 03-1: use stack 3"
    with pytest.raises(InvalidActionError, match=expected):
        lab.submit("power_off", "rasps", 1, 6)
    assert lab.orders.list_recent(10) == []
    assert lab.device.requests == []


def test_second_order_for_a_rasp_of_the_stack_is_rejected_while_the_first_runs(
    lab: OutletLab,
) -> None:
    lab.device.may_reply.clear()
    first = lab.submit("power_off", "rasps", 1, force=True)
    with pytest.raises(Exception, match=r"stack 1 is busy with order 1: power_off"):
        lab.submit("power_off", "rasps", 2, force=True)
    lab.device.may_reply.set()
    lab.wait(first)


def test_preview_names_the_rasp_its_outlet_and_why_it_cannot_be_switched(lab: OutletLab) -> None:
    plan = lab.orders.plan(OrderRequest("power_off", "rasps", (2,)))
    preview = lab.orders.preview(plan)
    assert (preview.affected, preview.stacks, preview.outlets) == (("01-2",), (), ("poe:2",))
    lab.device.is_away = True
    lab.outlets.refresh("poe")
    assert lab.orders.preview(plan).warnings == (lab.device.error_of("2"),)


def test_canceled_power_on_switches_no_further_rasps(tmp_path: Path) -> None:
    with running_outlet_lab(tmp_path, max_booting=1, boot_seconds=0.5) as lab:
        lab.run("power_off", "rack", force=True)
        order = lab.submit("power_on", "rasps", 1, 2, 3, 4)
        wait_until(lambda: len(lab.without_power) < 6)
        lab.orders.cancel(order.id)
        results = lab.wait(order)
        assert lab.orders.get(order.id).state is OrderState.CANCELLED
        assert len(lab.without_power) > 2
        cancelled = [name for name, each in results.items() if each.endswith("it started")]
        assert sorted(cancelled) == [name for name in lab.without_power if name < "03"]
