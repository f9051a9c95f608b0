"""Tests of rack.toml, valid and invalid."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from rack.errors import LayoutError, UnknownTargetError
from rack.layout import Rack
from rack.layout_file import load, parse
from tests.helpers.layouts import layout_text

RACK_TOML = layout_text(2, name="lab", slots=4, network={"exporter_port": 9849})


def layout_error(text: str) -> str:
    with pytest.raises(LayoutError) as caught:
        parse(text)
    line = str(caught.value)
    assert "\n" not in line
    return line


def rack_toml_with(old: str, new: str) -> str:
    assert old in RACK_TOML
    return RACK_TOML.replace(old, new, 1)


def test_shipped_layout_has_twelve_stacks_of_four() -> None:
    rack = load(Path("rack.toml"))
    assert [len(stack.slots) for stack in rack.stacks] == [4] * 12
    assert [slot.id for slot in rack.slots] == list(range(1, 49))


def test_slot_has_name_target_and_host_name() -> None:
    slot = load(Path("rack.toml")).slot(10)
    assert (slot.stack, slot.number) == (3, 2)
    assert (slot.name, slot.target, slot.host_name) == ("03-2", "3/2", "rasp-03-2")
    assert slot.stack_name == "03"
    assert slot.address == IPv4Address("10.23.3.2")


def test_layout_can_have_three_stacks_of_six() -> None:
    rack = parse(
        rack_toml_with("slots = 4", "slots = 6") + "\n[[stacks]]\npin = 18\nx = 2\ny = 0\n"
    )
    assert [len(stack.slots) for stack in rack.stacks] == [6, 6, 6]
    assert rack.slot(18).name == "03-6"


def test_stack_can_override_number_of_slots() -> None:
    rack = parse(RACK_TOML + "slots = 1\n\n[[stacks]]\npin = 18\nx = 2\ny = 0\n")
    assert [slot.name for slot in rack.slots] == [
        *("01-1", "01-2", "01-3", "01-4"),
        "02-1",
        *("03-1", "03-2", "03-3", "03-4"),
    ]
    assert rack.slot(6).name == "03-1"


def test_unknown_stack_and_rasp_raise_error_with_valid_range() -> None:
    rack: Rack = parse(RACK_TOML)
    with pytest.raises(UnknownTargetError, match="no rasp 9: this rack has rasps 1 to 8"):
        rack.slot(9)
    with pytest.raises(UnknownTargetError, match="no stack 0: this rack has stacks 1 to 2"):
        rack.stack(0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pin = 17", "", "stacks[2].pin: missing: set it to the BCM number"),
        ("pin = 17", "pni = 17", "stacks[2].pni: unknown key: did you mean 'pin'?"),
        ("pin = 17", "pin = 17\ncolour = 'red'", "stacks[2].colour: unknown key: remove it"),
        ("pin = 17", "pin = 16", "stacks[2].pin: pin 16 is already used by stack 1"),
        ("pin = 17", "pin = 99", "stacks[2].pin: 99 is not valid"),
        ("pin = 17", "pin = 1", "0 and 1 belong to the HAT's EEPROM"),
        ("pin = 17", "pin = 'GPIO17'", "stacks[2].pin: 'GPIO17' is not valid"),
        ("pin = 17", "pin = true", "stacks[2].pin: True is not valid"),
        ("x = 1", "x = 0", "stacks[2].x, stacks[2].y: position (0, 0) is already used by stack 1"),
        ("x = 1", "x = -1", "stacks[2].x: -1 is not valid"),
        ("slots = 4", "slots = 0", "slots: 0 is not valid"),
        ("slots = 4", "slots = 255", "slots: 255 is not valid"),
        ('name = "lab"', 'name = "a lab"', "name: 'a lab' is not valid"),
        (
            'name = "lab"',
            'name = "Büro"',
            "name: 'Büro' is not valid (string should match pattern"
            " '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'): set it to",
        ),
        ('{stack}.{slot}"', '{stack}.{slot}"\nssh_port = 1.5', "(input should be a valid integer)"),
        ('name = "lab"', "", "name: missing: set it to the name of the rack"),
        ("[relays]", "[relais]", "relais: unknown key: did you mean 'relays'?"),
        ('"normally_closed"', '"NC"', 'set it to "normally_closed" or "normally_open"'),
        ("10.23.0.0/16", "10.23.0.1/16", "network.subnet: '10.23.0.1/16' is not valid"),
        ("10.23.0.0/16", "10.24.0.0/16", "10.23.0.1 is not a host address in 10.24.0.0/16"),
        ("10.23.0.1", "10.23.1.2", "10.23.1.2 for 01-2 is already used by the master"),
        ("{stack}.{slot}", "{stack}.7", "10.23.1.7 for 01-2 is already used by 01-1"),
        ("{stack}.{slot}", "{stack}.{port}", "has an unknown placeholder"),
        ("{stack}.{slot}", "{stack.__class__}.1", "has an unknown placeholder"),
        ("{stack}.{slot}", "{stack:>99999}.1", "has an unknown placeholder"),
        ("10.23.{stack}", "10.23.300", "is not a valid IPv4 address"),
        ("10.23.{stack}", "10.99.{stack}", "10.99.1.1 for 01-1 is not a host address in"),
        ("exporter_port = 9849", "exporter_port = 0", "network.exporter_port: 0 is not valid"),
        ("[network]", "[network", "not TOML"),
    ],
)
def test_invalid_layout_raises_one_line_with_key_problem_and_fix(
    old: str, new: str, message: str
) -> None:
    line = layout_error(rack_toml_with(old, new))
    assert line.startswith("rack.toml: ")
    assert message in line


def test_layout_without_stacks_is_rejected() -> None:
    assert "[[stacks]]" in layout_error(RACK_TOML.partition("[[stacks]]")[0])


def test_unreadable_file_is_named_in_error(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"nowhere\.toml: No such file"):
        load(tmp_path / "nowhere.toml")
    with pytest.raises(LayoutError, match="Is a directory"):
        load(tmp_path)


def test_file_that_is_not_utf_8_is_rejected_with_line_number(tmp_path: Path) -> None:
    path = tmp_path / "rack.toml"
    path.write_bytes(b'name = "lab"\n# caf\xe9\n')
    with pytest.raises(LayoutError, match="line 2: not UTF-8: save the file as UTF-8"):
        load(path)


def test_file_with_a_byte_order_mark_and_windows_line_ends_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "rack.toml"
    path.write_bytes(b"\xef\xbb\xbf" + RACK_TOML.replace("\n", "\r\n").encode())
    assert load(path) == parse(RACK_TOML)
