"""rack.toml, as people write it, right and wrong."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from rack.errors import LayoutError, UnknownTargetError
from rack.layout import Rack
from rack.layout_file import load, parse

RACK_TOML = """
name = "lab"
slots = 4

[network]
subnet = "10.23.0.0/16"
master = "10.23.0.1"
address = "10.23.{stack}.{slot}"
exporter_port = 9849

[relays]
active_high = true
contact = "normally_closed"

[[stacks]]
pin = 16
x = 0
y = 0

[[stacks]]
pin = 17
x = 1
y = 0
"""


def layout_error(text: str) -> str:
    with pytest.raises(LayoutError) as caught:
        parse(text)
    line = str(caught.value)
    assert "\n" not in line
    return line


def rack_toml_with(old: str, new: str) -> str:
    assert old in RACK_TOML
    return RACK_TOML.replace(old, new, 1)


def test_the_rack_that_comes_with_pirack_has_twelve_stacks_of_four() -> None:
    rack = load(Path("rack.toml"))
    assert [len(stack.slots) for stack in rack.stacks] == [4] * 12
    assert [slot.id for slot in rack.slots] == list(range(1, 49))


def test_a_slot_has_the_names_that_people_and_hosts_use() -> None:
    slot = load(Path("rack.toml")).slot(10)
    assert (slot.stack, slot.number) == (3, 2)
    assert (slot.name, slot.host_name) == ("03-2", "rasp-03-2")
    assert slot.address == IPv4Address("10.23.3.2")


def test_three_stacks_of_six_are_a_rack_too() -> None:
    rack = parse(
        rack_toml_with("slots = 4", "slots = 6") + "\n[[stacks]]\npin = 18\nx = 2\ny = 0\n"
    )
    assert [len(stack.slots) for stack in rack.stacks] == [6, 6, 6]
    assert rack.slot(18).name == "03-6"


def test_one_stack_may_hold_fewer_than_the_others() -> None:
    rack = parse(RACK_TOML + "slots = 1\n\n[[stacks]]\npin = 18\nx = 2\ny = 0\n")
    assert [slot.name for slot in rack.slots] == [
        *("01-1", "01-2", "01-3", "01-4"),
        "02-1",
        *("03-1", "03-2", "03-3", "03-4"),
    ]
    assert rack.slot(6).name == "03-1"


def test_places_that_are_not_there_are_named() -> None:
    rack: Rack = parse(RACK_TOML)
    with pytest.raises(UnknownTargetError, match="no rasp 9: this rack has rasps 1 to 8"):
        rack.slot(9)
    with pytest.raises(UnknownTargetError, match="no stack 0: this rack has stacks 1 to 2"):
        rack.stack(0)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("pin = 17", "", "stacks[2].pin: missing: give the BCM number"),
        ("pin = 17", "pni = 17", "stacks[2].pni: unknown key: did you mean 'pin'?"),
        ("pin = 17", "pin = 17\ncolour = 'red'", "stacks[2].colour: unknown key: take it out"),
        ("pin = 17", "pin = 16", "stacks[2].pin: 16 is the pin of stack 1 too"),
        ("pin = 17", "pin = 99", "stacks[2].pin: 99 is wrong"),
        ("pin = 17", "pin = 1", "0 and 1 belong to the HAT's EEPROM"),
        ("pin = 17", "pin = 'GPIO17'", "stacks[2].pin: 'GPIO17' is wrong"),
        ("pin = 17", "pin = true", "stacks[2].pin: True is wrong"),
        ("x = 1", "x = 0", "stacks[2].x, stacks[2].y: (0, 0) is the place of stack 1 too"),
        ("x = 1", "x = -1", "stacks[2].x: -1 is wrong"),
        ("slots = 4", "slots = 0", "slots: 0 is wrong"),
        ("slots = 4", "slots = 255", "slots: 255 is wrong"),
        ('name = "lab"', 'name = "a lab"', "name: 'a lab' is wrong"),
        ('name = "lab"', "", "name: missing: give the rack's name"),
        ("[relays]", "[relais]", "relais: unknown key: did you mean 'relays'?"),
        ('"normally_closed"', '"NC"', 'give "normally_closed" or "normally_open"'),
        ("10.23.0.0/16", "10.23.0.1/16", "network.subnet: '10.23.0.1/16' is wrong"),
        ("10.23.0.0/16", "10.24.0.0/16", "network.master: 10.23.0.1 is no host of 10.24.0.0/16"),
        ("10.23.0.1", "10.23.1.2", "gives 10.23.1.2 to 01-2 and to the master"),
        ("{stack}.{slot}", "{stack}.7", "gives 10.23.1.7 to 01-2 and to 01-1"),
        ("{stack}.{slot}", "{stack}.{port}", "has another field"),
        ("{stack}.{slot}", "{stack.__class__}.1", "has another field"),
        ("{stack}.{slot}", "{stack:>99999}.1", "has another field"),
        ("10.23.{stack}", "10.23.300", "no address"),
        ("10.23.{stack}", "10.99.{stack}", "gives 10.99.1.1 to 01-1, which is no host of"),
        ("exporter_port = 9849", "exporter_port = 0", "network.exporter_port: 0 is wrong"),
        ("[network]", "[network", "not TOML"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_names_the_key_and_the_mend(
    old: str, new: str, told: str
) -> None:
    line = layout_error(rack_toml_with(old, new))
    assert line.startswith("rack.toml: ")
    assert told in line


def test_a_rack_without_stacks_is_refused() -> None:
    assert "[[stacks]]" in layout_error(RACK_TOML.partition("[[stacks]]")[0])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"nowhere\.toml: No such file"):
        load(tmp_path / "nowhere.toml")
    with pytest.raises(LayoutError, match="Is a directory"):
        load(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rack.toml"
    path.write_bytes(b'name = "lab"\n# caf\xe9\n')
    with pytest.raises(LayoutError, match="line 2: not UTF-8: save the file as UTF-8"):
        load(path)
