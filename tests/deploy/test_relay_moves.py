"""Stacks that get or lose power if the process that holds the relay lines ends."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.relay_moves import relay_moves
from rack.gpio.errors import GpioError
from rack.gpio.holder import Holder
from rack.layout import Rack
from rack.layout_file import parse
from tests.helpers.layouts import layout_text, pins_of, relay_board
from tests.helpers.simulated_gpio import SimulatedChip, running_kernel, simulated_ioctl

RACK = parse(layout_text(3))
FIRST, SECOND, THIRD = pins_of(RACK)


class InProcessClient:
    """A client of a holder in the process of the test."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder

    def request(self, command: str, **values: Any) -> dict[str, Any]:
        reply = self._holder.handle({"command": command, **values})
        if "error" in reply:
            raise GpioError(reply["error"])
        return reply


@pytest.fixture
def client(tmp_path: Path) -> Iterator[InProcessClient]:
    """A holder that has energized the relay of stack 1, and has released that of stack 2."""
    with running_kernel(tmp_path, persists=False):
        chip = SimulatedChip(tmp_path / "chip")
        holder = Holder(chip, {}, store=lambda _, __: None, ioctl=simulated_ioctl)
        client = InProcessClient(holder)
        client.request("drive", line=FIRST, high=True)
        client.request("drive", line=SECOND, high=False)
        yield client
        chip.close()


def rack_with(**relays: Any) -> Rack:
    return replace(RACK, relays=relay_board(RACK).model_copy(update=relays))


@pytest.mark.parametrize(
    ("contact", "active_high", "moves"),
    [
        ("normally_closed", True, {"stack 1": True}),
        ("normally_open", True, {"stack 1": False}),
        ("normally_closed", False, {"stack 2": True}),
        ("normally_open", False, {"stack 2": False}),
    ],
)
def test_energized_relays_go_to_rest_without_persistence(
    client: InProcessClient, contact: str, active_high: bool, moves: dict[str, bool]
) -> None:
    rack = rack_with(contact=contact, active_high=active_high)
    for persists in (False, None):
        assert relay_moves(rack, client, persists=persists) == moves


def test_no_relay_moves_if_the_kernel_keeps_outputs(client: InProcessClient) -> None:
    assert relay_moves(RACK, client, persists=True) == {}


def test_line_that_is_not_held_is_not_claimed(client: InProcessClient) -> None:
    relay_moves(RACK, client, persists=False)
    assert client.request("status")["lines"] == sorted((FIRST, SECOND))
