"""Faults of single rasps, whose outlets power no other rasp."""

import pytest

from controller.errors import PlanError
from controller.experiments.fault_orders import order_requests
from controller.experiments.plan import Plan
from controller.orders.model import OrderRequest
from rack.layout_file import parse
from tests.controller.experiments.plans import make_plan
from tests.controller.orders.outlet_lab import POWER_TABLE, STACKS
from tests.helpers.layouts import layout_text

RACK = parse(layout_text(STACKS, extra_tables=POWER_TABLE))
"""Two rasps in each stack. Those of stacks 1 and 2 have outlets of their own."""


def power_fault(pick: str, *, at: str = "1 s") -> str:
    return f'[[fault]]\nkind = "power"\npick = "{pick}"\nat = "{at}"\noff = "2 s"\n'


def plan_of(*faults: str, nodes: str = "all", seed: int = 7) -> Plan:
    return make_plan(f'nodes = "{nodes}"\n' + "".join(faults), seed, rack=RACK)


def requests(plan: Plan, number: int = 1) -> list[OrderRequest]:
    return list(order_requests(plan.fault(number), RACK))


def test_power_cut_takes_the_picked_rasp_alone_down() -> None:
    plan = plan_of(power_fault("02-1"))
    assert plan.goes_down == ("02-1",)
    assert plan.faults[0].stacks == (2,)
    assert requests(plan) == [OrderRequest("power_cycle", "rasps", (3,), force=True)]


def test_power_cut_takes_the_nodes_of_a_stack_down_but_no_other_rasp() -> None:
    plan = plan_of(power_fault("random 1 stack"), nodes="01-2 02-1 02-2", seed=1)
    assert plan.goes_down in {("01-2",), ("02-1", "02-2")}


def test_rasps_that_share_an_outlet_go_down_together() -> None:
    plan = plan_of(power_fault("02-1 03-2"))
    assert plan.goes_down == ("02-1", "03-1", "03-2")
    assert requests(plan) == [
        OrderRequest("power_cycle", "stacks", (3,), force=True),
        OrderRequest("power_cycle", "rasps", (3,), force=True),
    ]


def test_whole_stack_is_cycled_as_a_stack() -> None:
    plan = plan_of(power_fault("stack 1"))
    assert requests(plan) == [OrderRequest("power_cycle", "stacks", (1,), force=True)]


def test_minority_counts_outlets() -> None:
    picked = {plan_of(power_fault("minority"), seed=seed).goes_down for seed in range(40)}
    # Two of the five outlets.
    assert {("01-1", "02-2"), ("02-1", "03-1", "03-2")} <= picked
    assert all(
        len({"03" if name < "03-9" and name > "03" else name for name in names}) == 2
        for names in picked
    )


def test_each_in_turn_is_one_fault_for_each_outlet() -> None:
    plan = plan_of(power_fault("each in turn"))
    assert [fault.rasps for fault in plan.faults] == [
        ("01-1",), ("01-2",), ("02-1",), ("02-2",), ("03-1", "03-2"),
    ]  # fmt: skip


def test_shutdown_of_a_rasp_is_not_forced() -> None:
    fault = power_fault("02-1").replace('"power"', '"shutdown"')
    assert requests(plan_of(fault)) == [OrderRequest("power_cycle", "rasps", (3,), force=False)]


def test_faults_that_overlap_on_a_stack_are_rejected() -> None:
    with pytest.raises(PlanError, match="faults 1 and 2 overlap on stack 2"):
        plan_of(power_fault("02-1"), power_fault("02-2", at="2 s"))


def test_two_rasps_have_no_minority() -> None:
    with pytest.raises(PlanError, match="2 rasps have no minority: select at least 3 rasps"):
        plan_of(power_fault("minority"), nodes="01-1 02-1")
