"""The reference page of the power drivers."""

import re
from pathlib import Path

import pytest

from rack.power.drivers.command import CommandSettings
from rack.power.drivers.http_api import HttpSettings
from rack.power.drivers.snmp_settings import SnmpSettings
from rack.settings import Settings, markdown_rows

PAGE = Path("docs/reference/power-drivers.md")


@pytest.mark.parametrize(
    ("driver", "settings"),
    [("snmp", SnmpSettings), ("http", HttpSettings), ("command", CommandSettings)],
)
def test_table_of_settings_is_generated_from_the_driver(
    driver: str, settings: type[Settings]
) -> None:
    [table] = re.findall(
        rf"<!-- settings of {driver}:.* -->\n.*\n.*\n((?:.|\n)*?)\n<!-- end of settings -->",
        PAGE.read_text(encoding="utf-8"),
    )
    assert table.splitlines() == list(markdown_rows(settings))
