"""Outlets in the responses about stacks, rasps and the rack."""

import pytest
from flask.testing import FlaskClient

from rack.power.state import OutletReading
from tests.controller.fakes import FakeRackState
from tests.controller.plug_state import NO_REPLY, A, B, C, no_reply, state_of_plugs
from tests.controller.web.test_api import get_json


@pytest.fixture
def rack_state() -> FakeRackState:
    """01-1 is on, 01-2 is off, and the plug of stack 2 cannot be read."""
    return state_of_plugs({B: OutletReading(False), C: no_reply(C)}, energy={A: 12240.0})


def test_stack_has_the_outlets_of_its_slots(client: FlaskClient) -> None:
    stack = get_json(client, "stacks/1")
    summary = ("pin", "power", "observed", "watts", "energy_joules")
    assert [stack[name] for name in summary] == [None, "partial", "partial", 3.4, 12240.0]
    assert stack["outlets"][0] == {
        "name": "01-1",
        "slot": 1,
        "label": "plugs:a",
        "power": "on",
        "observed": "on",
        "watts": 3.4,
        "energy_joules": 12240.0,
        "detail": "delivering power",
        "error": "",
    }
    assert stack["rasps"][0]["outlet"] == stack["outlets"][0]
    assert [rasp["power"] for rasp in stack["rasps"]] == ["on", "off"]


def test_power_is_unknown_with_the_reason_while_an_outlet_cannot_be_read(
    client: FlaskClient,
) -> None:
    stack = get_json(client, "stacks/2")
    assert (stack["power"], stack["power_mismatch"]) == ("unknown", "")
    [outlet] = stack["outlets"]
    assert (outlet["slot"], outlet["power"], outlet["observed"]) == (None, "unknown", "unknown")
    assert outlet["error"] == no_reply(C).error
    assert [rasp["outlet"] for rasp in stack["rasps"]] == [None, None]
    assert get_json(client, "rack")["power_warnings"] == [
        {
            "reason": f"unknown: plugs (test): {NO_REPLY}",
            "rasps": ["02-1", "02-2"],
        }
    ]


def test_stack_with_a_relay_has_its_pin(client: FlaskClient) -> None:
    stack = get_json(client, "stacks/3")
    assert (stack["pin"], stack["outlets"][0]["label"]) == (16, "GPIO16")
