"""Layout file of the demo."""

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from rack.layout_file import load
from rack.power.credentials import read_secret
from rack.power.drivers.command import CommandSettings
from rack.power.drivers.http_api import HttpSettings
from rack.power.drivers.snmp_settings import SnmpSettings
from tests.helpers.layouts import layout_text
from virtual_rack.demo.layout import write_layout

POWER_TABLES = """
[power.switch]
driver = "snmp"
host = "10.23.0.2"
version = "3"
user = "rack"
auth_password_file = "/etc/pirack/switch"
on_value = 7

[power.plugs]
driver = "http"
api = "shelly"
password_env = "PLUGS"

[power.usb]
driver = "command"
on = ["uhubctl", "-a", "on", "{address}"]
off = ["uhubctl", "-a", "off", "{address}"]
"""


def test_written_layout_differs_only_in_network_and_timeouts(tmp_path: Path) -> None:
    destination = tmp_path / "rack.toml"
    write_layout(Path("rack.toml"), destination, "127.42")
    given, written = load(Path("rack.toml")), load(destination)
    assert written.slot(10).address == IPv4Address("127.42.3.2")
    assert written.network.master == IPv4Address("127.42.0.1")
    assert written.network.exporter_port == given.network.exporter_port
    assert [replace(stack, slots=()) for stack in written.stacks] == [
        replace(stack, slots=()) for stack in given.stacks
    ]
    assert (written.relays, written.access, written.orders) == (
        given.relays,
        given.access,
        given.orders,
    )


def test_written_layout_keeps_access_and_install_settings(tmp_path: Path) -> None:
    given = tmp_path / "given.toml"
    text = Path("rack.toml").read_text(encoding="utf-8")
    text = text.replace('anonymous = "none"', 'anonymous = "viewer"\nhosts = ["a.example"]')
    given.write_text(text + '\n[install]\nmac_prefixes = ["b8:27:eb"]\ncut_seconds = 9\n')
    destination = tmp_path / "destination.toml"
    write_layout(given, destination, "127.42")
    written = load(destination)
    assert (written.access.anonymous, written.access.hosts) == ("viewer", ("a.example",))
    assert written.install.mac_prefixes == ("b8:27:eb",)
    assert written.install.cut_seconds < 9  # replaced for the short boot time of the demo


def test_poe_demo_has_a_port_for_each_rasp_instead_of_relays(tmp_path: Path) -> None:
    destination = tmp_path / "rack.toml"
    write_layout(Path("rack.toml"), destination, "127.42", has_poe=True)
    written = load(destination)
    assert [outlet.label for outlet in written.outlets] == [f"poe:{i}" for i in range(1, 49)]
    assert all(stack.has_outlet_per_slot for stack in written.stacks)
    assert written.relays is None
    settings = written.power_sources["poe"].settings
    assert isinstance(settings, SnmpSettings)
    assert (settings.host, settings.port) == ("127.42.0.2", 9161)
    assert len(read_secret(settings, "community")) > 16
    assert Path(settings.community_file).stat().st_mode & 0o077 == 0


def test_power_sources_of_a_rack_are_replaced_by_virtual_devices(tmp_path: Path) -> None:
    given = tmp_path / "given.toml"
    given.write_text(
        layout_text(
            [
                {"pin": 16, "x": 0, "y": 0},
                {"outlet": "switch:7", "x": 1, "y": 0},
                {"outlets": ["plugs:10.23.0.31", "plugs:10.23.0.32:81/1"], "x": 2, "y": 0},
                {"outlets": ["plugs:10.23.0.31/3", "usb:1-1"], "x": 3, "y": 0},
            ],
            extra_tables=POWER_TABLES,
        )
    )
    destination = tmp_path / "state" / "rack.toml"
    destination.parent.mkdir()
    write_layout(given, destination, "127.42")
    written = load(destination)
    assert [outlet.label for outlet in written.outlets] == [
        "GPIO16", "switch:7", "plugs:127.42.0.2:9162", "plugs:127.42.0.2:9163/1",
        "plugs:127.42.0.2:9162/3", "usb:1-1",
    ]  # fmt: skip
    switch = written.power_sources["switch"].settings
    assert isinstance(switch, SnmpSettings)
    assert (switch.version, switch.user, switch.host) == ("3", "rack", "127.42.0.2")
    assert len(read_secret(switch, "auth_password")) > 16
    assert not switch.privacy_password_file
    plugs = written.power_sources["plugs"].settings
    assert isinstance(plugs, HttpSettings)
    assert (plugs.api, plugs.password_env) == ("shelly", "")
    assert len(read_secret(plugs, "password")) > 16
    program = written.power_sources["usb"].settings
    assert isinstance(program, CommandSettings)
    assert program.on == (str(tmp_path / "state/outlets/usb/outlet"), "on", "{address}")
