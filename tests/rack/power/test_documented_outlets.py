"""Layouts in the guide to outlets, and errors of `[power.NAME]` in rack.toml."""

import re
from pathlib import Path

import pytest

from rack import layout_file
from rack.errors import LayoutError
from rack.power.drivers.command import CommandSettings, parse_status
from rack.power.registry import make_drivers

GUIDE = Path("docs/how-to/outlets.md").read_text(encoding="utf-8")
HEAD = """
name = "outlets"
[network]
subnet = "10.23.0.0/16"
master = "10.23.0.1"
address = "10.23.{stack}.{slot}"
"""
STACK = '[[stacks]]\noutlet = "poe:5"\nx = 0\ny = 0\n'


def examples() -> list[str]:
    blocks = re.findall(r"^( *)```toml\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in blocks]


def test_guide_has_an_example_for_each_driver() -> None:
    drivers = [
        source.driver
        for text in examples()
        for source in layout_file.parse(HEAD + text).power_sources.values()
    ]
    assert drivers == ["snmp", "http", "command"]


@pytest.mark.parametrize("text", examples())
def test_example_of_the_guide_is_a_rack_with_drivers(text: str) -> None:
    rack = layout_file.parse(HEAD + text)
    drivers = make_drivers(rack)
    assert {outlet.source for outlet in rack.outlets} == drivers.keys()


def test_patterns_of_the_guide_fit_the_output_of_uhubctl() -> None:
    (settings,) = (
        source.settings for source in layout_file.parse(HEAD + examples()[2]).power_sources.values()
    )
    assert isinstance(settings, CommandSettings)
    output = "Current status for hub 1-1 [0424:9514, USB 2.00, 5 ports, ppps]\n  Port 2: "
    assert parse_status(settings, f"{output}0503 power highspeed enable connect\n").power is True
    assert parse_status(settings, f"{output}0100 power\n").power is True
    assert parse_status(settings, f"{output}0000 off\n").power is False


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ('driver = "snmp"', "power.poe.host: missing: set it to the IP address of the switch"),
        (
            'driver = "snmp"\nhost = "10.23.0.2"',
            "power.poe: no community: set community_file or community_env",
        ),
        (
            'driver = "snmp"\nhost = "10.23.0.2"\ncommunity = "secret"',
            "power.poe.community: unknown key: did you mean 'community_env'?",
        ),
        (
            'driver = "http"\napi = "shelly"',
            "stacks[1].outlet: '5' is not the address of a plug: use its IP address",
        ),
        (
            'driver = "command"\non = "pdu on"\noff = ["pdu"]',
            "power.poe.on: 'pdu on' is not valid",
        ),
    ],
)
def test_invalid_power_source_is_reported_with_a_fix(table: str, error: str) -> None:
    with pytest.raises(LayoutError) as raised:
        layout_file.parse(f"{HEAD}\n[power.poe]\n{table}\n{STACK}")
    assert error in str(raised.value)
    assert "secret" not in str(raised.value)
