"""The rack, drawn in a terminal."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.models import ApiStack, decode
from cli.rack_view import VIRIDIS, RackView
from controller.state.model import RaspOperation
from controller.web.rasp_schemas import StackResponse
from rack.layout_file import parse
from tests.controller.fakes import RACK, FakeRackState
from tests.helpers.layouts import documented_room, layout_text

ROOM = parse(
    layout_text(
        [
            {"pin": 16, "x": 0, "y": 0},
            {"pin": 17, "x": 1, "y": 0},
            {"pin": 18, "x": 5, "y": 0},
            {"pin": 19, "x": 1, "y": 4},
        ]
    )
)


def view_of(rack_state: FakeRackState) -> RackView:
    return RackView(
        [
            decode(ApiStack, StackResponse.of(stack).model_dump(mode="json"))
            for stack in rack_state.read().stacks
        ]
    )


def drawn(rack_state: FakeRackState, width: int = 80, **options: Any) -> list[str]:
    output = StringIO()
    Console(file=output, width=width, **options).print(view_of(rack_state))
    return output.getvalue().splitlines()


def test_stacks_stand_at_their_positions_with_gaps() -> None:
    rack_state = FakeRackState(ROOM)
    rack_state.temperatures = {"01-1": 41.6, "01-2": 38.2, "02-1": 104.0}
    assert drawn(rack_state)[1:] == [
        "┌─01─┐┌─02─┐  ┌─03─┐",
        "│ 42°││ 104│  │  - │",
        "│ 38°││  - │  │  - │",
        "└────┘└────┘  └────┘",
        "",
        "      ┌─04─┐",
        "      │  - │",
        "      │  - │",
        "      └────┘",
    ]


def test_documented_room_is_drawn_as_in_the_documentation() -> None:
    text, drawing = documented_room()
    assert drawn(FakeRackState(parse(text)))[1:] == drawing.splitlines()


def test_states_are_letters_that_are_explained() -> None:
    rack_state = FakeRackState(ROOM)
    rack_state.state_values |= {
        "01-1": 0.0, "01-2": 4.0, "02-1": 2.0, "02-2": 3.0, "03-1": -1.0,
    }  # fmt: skip
    rack_state.temperatures = {"02-1": 72.0, "02-2": 81.0, "03-2": 50.0}
    rack_state.conditions = {"03-2": "under_voltage"}
    rack_state.power_mismatches = {4: "off, but its rasps respond"}
    lines = drawn(rack_state, width=200)
    assert lines[0] == "8 rasps: 5 up, 1 down, 1 off, 1 unknown; hottest 02-2, 81 °C"
    assert lines[2:5] == [
        "│ D  ││W72°│  │ ?  │",
        "│ O  ││H81°│  │!50°│",
        "└────┘└────┘  └────┘",
    ]
    assert "      └pwr?┘" in lines
    assert lines[-1].split("   ") == [
        " D  down", "O  off", "?  unknown", "W  warm", "H  hot", "!  under-voltage or throttled",
        "pwr?  power differs or is unknown: see `pirack stacks`",
    ]  # fmt: skip


def test_rasps_in_orders_and_installs_are_not_shown_as_down() -> None:
    rack_state = FakeRackState(ROOM)
    rack_state.state_values |= {"01-1": 0.0, "01-2": 0.0, "02-1": 4.0, "03-1": 0.0}
    rack_state.temperatures = {"03-2": 50.0}
    rack_state.operations = {
        1: RaspOperation.BOOTING,
        2: RaspOperation.BOOTING,
        3: RaspOperation.INSTALLING,
        6: RaspOperation.SHUTTING_DOWN,
    }
    lines = drawn(rack_state, width=200)
    assert lines[0] == "8 rasps: 4 up, 1 down, 2 booting, 1 installing; hottest 03-2, 50 °C"
    assert lines[2:4] == [
        "│ B  ││ I  │  │ D  │",
        "│ B  ││  - │  │S50°│",
    ]
    assert lines[-1] == " D  down   S  shutting down   B  booting   I  installing"


@pytest.mark.parametrize("operation", RaspOperation)
def test_each_operation_has_a_letter(operation: RaspOperation) -> None:
    rack_state = FakeRackState(ROOM)
    rack_state.state_values["01-1"] = 0.0
    rack_state.operations = {1: operation}
    letter, label = drawn(rack_state)[-1].split(maxsplit=1)
    assert label == operation
    assert drawn(rack_state)[2].startswith(f"│ {letter}  │")


def test_narrow_terminal_shows_all_stacks_in_parts() -> None:
    def tops(width: int) -> list[list[str]]:
        lines = drawn(FakeRackState(RACK), width)
        assert max(map(len, lines)) <= width
        return [re.findall(r"\d\d", line) for line in lines if line.startswith("┌")]

    names = [f"{number:02}" for number in range(1, 13)]
    assert tops(72) == tops(10_000) == [names]
    assert tops(40) == [names[:6], names[6:]]


def test_colors_are_those_of_the_rack_page() -> None:
    style_sheet = Path("controller/assets/_rasp.scss").read_text(encoding="utf-8")
    assert f"$viridis: {' '.join(VIRIDIS)};" in style_sheet


def test_temperatures_and_states_have_colors_on_a_terminal_unless_no_color_is_set() -> None:
    rack_state = FakeRackState(ROOM)
    rack_state.temperatures = {"01-1": 41.6}
    rack_state.state_values["01-2"] = 0.0
    colored = "\n".join(drawn(rack_state, force_terminal=True, color_system="truecolor"))
    red, green, blue = bytes.fromhex(VIRIDIS[2][1:])
    assert f"48;2;{red};{green};{blue}m 42°" in colored
    assert "48;2;176;0;32m D  " in colored
    assert " 75 \x1b[0m °C" in colored
    plain = "\n".join(drawn(rack_state, force_terminal=True, no_color=True))
    assert "48;2" not in plain
    assert "°C" not in plain.splitlines()[-1]
