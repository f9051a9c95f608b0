"""Targets of `pirack power`."""

import pytest

from cli.models import ApiStack, decode
from cli.power_targets import select_power_targets
from controller.web.rasp_schemas import StackResponse
from rack.errors import UnknownTargetError
from tests.controller.fakes import FakeRackState
from tests.helpers.plugs import plug_rack

# The rasps of stack 1 have plugs of their own. Those of stacks 2 and 3 share an outlet.
STACKS = [
    decode(ApiStack, StackResponse.of(stack).model_dump(mode="json"))
    for stack in FakeRackState(plug_rack()).read().stacks
]


@pytest.mark.parametrize(
    ("targets", "scope", "ids"),
    [
        (["2"], "stacks", [2]),
        (["1..2"], "stacks", [1, 2]),
        (["all"], "stacks", [1, 2, 3]),
        (["1/2"], "rasps", [2]),
        (["01-1", "1/2"], "rasps", [1, 2]),
        (["1", "1/2"], "rasps", [1, 2]),
    ],
)
def test_whole_stacks_or_rasps_with_plugs_are_switched(
    targets: list[str], scope: str, ids: list[int]
) -> None:
    assert select_power_targets(STACKS, targets) == (scope, ids)


def test_rasp_that_shares_its_outlet_is_rejected_with_its_stack() -> None:
    with pytest.raises(UnknownTargetError, match="power is switched per stack: write 2"):
        select_power_targets(STACKS, ["2/1"])
    with pytest.raises(UnknownTargetError, match="power is switched per stack: write 2"):
        select_power_targets(STACKS, ["1/1", "2/1"])


def test_stack_with_a_shared_outlet_and_a_rasp_are_switched_by_two_commands() -> None:
    with pytest.raises(UnknownTargetError, match="rasps of stack 2 share an outlet"):
        select_power_targets(STACKS, ["1/1", "2"])


def test_stacks_tell_whether_their_rasps_have_plugs_of_their_own() -> None:
    assert [stack.has_outlet_per_slot for stack in STACKS] == [True, False, False]
