"""Layout file of the demo."""

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from rack.layout_file import load
from virtual_rack.demo.layout import write_layout


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
