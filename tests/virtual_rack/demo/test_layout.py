"""The demo's own rack.toml."""

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from rack.layout_file import load
from virtual_rack.demo.layout import write_layout


def test_it_is_the_given_one_on_the_demos_network(tmp_path: Path) -> None:
    own = tmp_path / "rack.toml"
    write_layout(Path("rack.toml"), own, "127.42")
    given, made = load(Path("rack.toml")), load(own)
    assert made.slot(10).address == IPv4Address("127.42.3.2")
    assert made.network.master == IPv4Address("127.42.0.1")
    assert made.network.exporter_port == given.network.exporter_port
    assert [replace(stack, slots=()) for stack in made.stacks] == [
        replace(stack, slots=()) for stack in given.stacks
    ]
    assert (made.relays, made.access, made.orders) == (given.relays, given.access, given.orders)


def test_whatever_people_have_written_is_kept(tmp_path: Path) -> None:
    given = tmp_path / "given.toml"
    text = Path("rack.toml").read_text(encoding="utf-8")
    text = text.replace('anonymous = "none"', 'anonymous = "viewer"\nhosts = ["a.example"]')
    given.write_text(text + '\n[install]\nmac_prefixes = ["b8:27:eb"]\ncut_seconds = 9\n')
    own = tmp_path / "own.toml"
    write_layout(given, own, "127.42")
    made = load(own)
    assert (made.access.anonymous, made.access.hosts) == ("viewer", ("a.example",))
    assert made.install.mac_prefixes == ("b8:27:eb",)
    assert made.install.cut_seconds < 9  # the demo's rasps boot in no time
