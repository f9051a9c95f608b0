"""Tests of the operations of running orders."""

from controller.orders.model import Order, OrderRequest, Result, TargetResult
from controller.orders.operations import operations_of
from controller.state.model import RaspOperation
from tests.controller.fakes import RACK


def order(*results: TargetResult) -> Order:
    request = OrderRequest("power_cycle", "stacks", (3,))
    return Order(1, request, ("03",), "otto", "127.0.0.1", 0.0, results=results)


def test_stage_of_a_stack_is_the_operation_of_its_rasps() -> None:
    running = order(
        TargetResult("stack", "03", 3, stage="off"),
        TargetResult("rasp", "03-1", 9, stage="shutting down"),
        TargetResult("rasp", "03-2", 10),
    )
    # A slot without an installed rasp has no result, but its rasp has no power, either.
    assert operations_of(running, RACK) == dict.fromkeys((9, 10, 11, 12), RaspOperation.POWER_CYCLE)


def test_rasp_without_a_reply_in_time_or_with_a_result_has_no_operation() -> None:
    booting = TargetResult("stack", "03", 3, stage="booting")
    lost = TargetResult("rasp", "03-1", 9, stage="no reply")
    assert 9 not in operations_of(order(booting, lost), RACK)
    rebooted = TargetResult("rasp", "03-1", 9, Result.OK, stage="")
    other = TargetResult("rasp", "03-2", 10, stage="shutting down")
    assert operations_of(order(rebooted, other), RACK) == {10: RaspOperation.SHUTTING_DOWN}


def test_action_that_takes_no_rasp_down_is_no_operation() -> None:
    assert operations_of(order(TargetResult("rasp", "03-2", 10, stage="running")), RACK) == {}
