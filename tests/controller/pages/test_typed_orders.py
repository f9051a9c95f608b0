"""Tests of orders that users type, without a browser."""

import pytest
from werkzeug.datastructures import MultiDict

from controller.orders.actions import Actions
from controller.orders.model import OrderRequest
from controller.pages.order_form import request_from_form
from controller.pages.typed_orders import TypedText, typed_actions
from exporter.aliases import DEFAULT_PATH
from exporter.aliases import load as load_aliases
from rack.errors import UnknownTargetError
from rack.layout import Rack
from tests.controller.fakes import RACK
from tests.helpers.plugs import plug_rack

ACTIONS = Actions(load_aliases(DEFAULT_PATH))
PLUG_RACK = plug_rack()
"""The rasps of stack 1 have plugs of their own. Those of stacks 2 and 3 share an outlet."""


def typed_requests(text: str, rack: Rack = RACK) -> list[OrderRequest]:
    """Return the requests that the forms of a text submit."""
    typed = TypedText.parse(text)
    return [
        request_from_form(
            MultiDict({"action": action.field, "targets": " ".join(typed.targets)}), ACTIONS, rack
        )
        for action in typed_actions(typed.name, ACTIONS)
    ]


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("reboot 3/2", OrderRequest("reboot", "rasps", (10,))),
        ("Reboot RASP-03-2", OrderRequest("reboot", "rasps", (10,))),
        ("shutdown 3/2,4 4/1", OrderRequest("shutdown", "rasps", (10, 12, 13))),
        ("identify 1..2/1", OrderRequest("identify", "rasps", (1, 5))),
        ("run uptime 3", OrderRequest("uptime", "stacks", (3,))),
        ("ping all", OrderRequest("ping", "rack")),
        ("power cycle 03", OrderRequest("power_cycle", "stacks", (3,))),
        ("power_off 3 5", OrderRequest("power_off", "stacks", (3, 5))),
        ("run temperature 3/2", OrderRequest("read", "rasps", (10,), "cpu_temperature_celsius")),
        ("read load1 3/2", OrderRequest("read", "rasps", (10,), "cpu_load1")),
    ],
)
def test_typed_text_submits_the_same_order_as_the_command_pirack(
    text: str, request_: OrderRequest
) -> None:
    assert typed_requests(text) == [request_]


def test_part_of_a_name_offers_each_action_that_contains_it() -> None:
    assert [request.action for request in typed_requests("power 3")] == [
        "power_cycle",
        "power_off",
        "power_on",
        "read",
    ]
    assert typed_requests("power cycle 3") == typed_requests("cycle 3")
    assert typed_requests("explode 3/2") == []
    assert typed_requests("3/2") == []


def test_text_without_targets_names_the_actions_that_need_some() -> None:
    typed = TypedText.parse("reb")
    assert typed.targets == ()
    assert [action.label for action in typed_actions(typed.name, ACTIONS)] == ["Reboot"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("reboot 3/2", "Reboot 03-2"),
        ("ping 3", "Ping 03-1, 03-2, 03-3, 03-4"),
        ("ping 1..12/1", "Ping 01-1 … 12-1 (12)"),
        ("power off 3", "Power off stack 03"),
        ("shutdown all", "Shutdown whole rack"),
        ("temperature 3/2", "Read cpu_temperature_celsius 03-2"),
    ],
)
def test_label_names_the_action_and_the_targets(text: str, label: str) -> None:
    typed = TypedText.parse(text)
    [action] = typed_actions(typed.name, ACTIONS)
    assert f"{action.label} {action.target_text(typed.targets, ACTIONS, RACK)}" == label


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reboot 13/1", "no stack 13: this rack has stacks 1 to 12"),
        ("reboot 3/2 now", "'now' is not a valid target"),
        ("power off 3/2", "power is switched per stack: write 3"),
        ("power off 1-4", "1-4 can be a rasp or a range of stacks"),
    ],
)
def test_wrong_targets_are_rejected_with_the_fix(text: str, message: str) -> None:
    typed = TypedText.parse(text)
    [action] = typed_actions(typed.name, ACTIONS)
    with pytest.raises(UnknownTargetError, match=message):
        action.target_text(typed.targets, ACTIONS, RACK)
    with pytest.raises(UnknownTargetError, match=message):
        typed_requests(text)


def test_power_of_rasps_with_plugs_is_switched_and_never_that_of_other_rasps() -> None:
    assert typed_requests("power off 1/1", PLUG_RACK) == [OrderRequest("power_off", "rasps", (1,))]
    assert typed_requests("power off 1 1/1", PLUG_RACK) == [
        OrderRequest("power_off", "rasps", (1, 2))
    ]
    assert typed_requests("power off 1 2", PLUG_RACK) == [
        OrderRequest("power_off", "stacks", (1, 2))
    ]
    with pytest.raises(UnknownTargetError, match="rasps of stack 2 share an outlet"):
        typed_requests("power off 1/1 2", PLUG_RACK)
