"""Tests of rack.toml, valid and invalid."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from rack.errors import LayoutError, UnknownTargetError
from rack.layout import Rack
from rack.layout_file import load, parse
from tests.helpers.layouts import layout_text
from tests.helpers.simulated_switch import SIMULATED, SwitchSettings, install_drivers

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


OUTLETS: list[dict[str, object]] = [
    {"pin": 17, "x": 0, "y": 0},
    {"outlet": "poe:05", "x": 1, "y": 0},
    {"outlets": ["poe:1", "plug:1"], "x": 2, "y": 0},
]
OUTLETS_TOML = layout_text(
    OUTLETS,
    extra_tables="""
[power.poe]
driver = "simulated"
[power.plug]
driver = "simulated"
ports = 2
""",
)


@pytest.fixture
def _simulated_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_drivers(monkeypatch, tmp_path, simulated=SIMULATED, broken="nowhere:Driver")


@pytest.mark.usefixtures("_simulated_driver")
def test_stacks_can_have_a_relay_an_outlet_or_an_outlet_for_each_slot() -> None:
    rack = parse(OUTLETS_TOML)
    assert [(outlet.name, outlet.target, outlet.label) for outlet in rack.outlets] == [
        ("01", "stack 1", "GPIO17"),
        ("02", "stack 2", "poe:5"),
        ("03-1", "03-1", "poe:1"),
        ("03-2", "03-2", "plug:1"),
    ]
    assert [stack.has_outlet_per_slot for stack in rack.stacks] == [False, False, True]
    assert list(rack.power_sources) == ["gpio", "poe", "plug"]
    assert rack.power_sources["plug"].settings == SwitchSettings(ports=2)
    assert [rack.outlet_of(slot).name for slot in rack.slots] == [
        "01", "01", "02", "02", "03-1", "03-2",
    ]  # fmt: skip
    shared, own = rack.outlet(2), rack.outlet(3, 2)
    assert [slot.name for slot in rack.stack(2).slots_of(shared)] == ["02-1", "02-2"]
    assert [slot.name for slot in rack.stack(3).slots_of(own)] == ["03-2"]


@pytest.mark.usefixtures("_simulated_driver")
def test_relay_board_is_required_only_for_relays() -> None:
    board = '[relays]\nactive_high = true\ncontact = "normally_closed"\n'
    assert board in OUTLETS_TOML
    without = OUTLETS_TOML.replace(board, "")
    assert layout_error(without) == "rack.toml: relays: missing: add a table [relays]"
    rack = parse(without.replace("pin = 17", 'outlet = "poe:8"'))
    assert rack.relays is None
    assert list(rack.power_sources) == ["poe", "plug"]


def test_pin_and_outlet_of_gpio_are_the_same() -> None:
    assert parse(rack_toml_with("pin = 17", 'outlet = "gpio:017"')) == parse(RACK_TOML)


@pytest.mark.usefixtures("_simulated_driver")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"poe:05"', '"poe:5"\npin = 3', "stacks[2].outlet: the stack already has pin: remove one"),
        ('"poe:05"', '"poe"', "stacks[2].outlet: 'poe' is not an outlet: write SOURCE:ADDRESS"),
        ('"poe:05"', '"pdu:5"', "there is no power source 'pdu': add a table [power.pdu], or use"),
        ('"poe:05"', '"poe:9"', "stacks[2].outlet: '9' is not a port: use 1 to 8"),
        ('"poe:05"', '"gpio:1"', "stacks[2].outlet: '1' is not the BCM number of a pin: use 2 to"),
        ('"poe:05"', '"gpio:17"', "stacks[2].outlet: GPIO17 is already used by stack 1: use a"),
        ('"plug:1"', '"poe:01"', "stacks[3].outlets[2]: poe:1 is already used by 03-1: use a"),
        ('"poe:1", ', "", "stacks[3].outlets: 1 outlets for 2 slots: list one outlet for each"),
        ("[power.plug]", "[power.Plug]", "power: 'Plug' is not a name of a power source: use"),
        ("[power.plug]", "[power.gpio]", "power.gpio: the relays on the master's pins are no"),
        ("ports = 2", "prts = 2", "power.plug.prts: unknown key: did you mean 'ports'?"),
        ("ports = 2", 'ports = "2"', "power.plug.ports: '2' is not valid (input should be a"),
        ("ports = 2", "ports = 0", "power.plug: no ports: set ports to 1 or more"),
        (
            'driver = "simulated"',
            'driver = "smtp"',
            "power.poe.driver: the power driver 'smtp' is not installed: use broken, command, gpio",
        ),
        (
            'driver = "simulated"',
            'driver = "broken"',
            "power.poe.driver: the power driver 'broken' cannot be loaded: No module named",
        ),
        ('driver = "simulated"', "", "power.poe.driver: missing: set it to the power driver"),
    ],
)
def test_invalid_outlet_raises_one_line_with_key_problem_and_fix(
    old: str, new: str, message: str
) -> None:
    assert old in OUTLETS_TOML
    line = layout_error(OUTLETS_TOML.replace(old, new, 1))
    assert line.startswith("rack.toml: ")
    assert message in line
