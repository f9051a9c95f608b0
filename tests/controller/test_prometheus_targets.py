"""Tests of the target files of Prometheus."""

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from controller.prometheus_targets import ServiceAddresses, TargetFiles, render
from rack.database import Database
from rack.inventory import Inventory, Rasp
from rack.layout_file import load

RACK = load(Path("rack.toml"))
RASP = Rasp(3, 2, "b8:27:eb:00:00:0a", IPv4Address("10.23.3.2"))
SERVICES = ServiceAddresses(
    controller="127.0.0.1:8080",
    prometheus="127.0.0.1:9090",
    blackbox="127.0.0.1:9115",
    alertmanager="127.0.0.1:9093",
)


def test_exporter_target_has_the_slot_as_labels() -> None:
    assert render(RACK, {(3, 2): RASP}, SERVICES)["rasp.json"] == [
        {
            "targets": ["10.23.3.2:9849"],
            "labels": {"rack": "pirack", "stack": "03", "slot": "2", "rasp": "03-2"},
        }
    ]


def test_ping_target_uses_icmp_or_tcp() -> None:
    def probe(services: ServiceAddresses) -> dict[str, str]:
        (group,) = render(RACK, {(3, 2): RASP}, services)["ping.json"]
        assert group["targets"] == ["127.0.0.1:9115"]
        assert group["labels"]["rasp"] == "03-2"
        return {key: value for key, value in group["labels"].items() if key.startswith("__")}

    assert probe(SERVICES) == {"__param_module": "icmp", "__param_target": "10.23.3.2"}
    tcp = replace(SERVICES, ping_method="tcp:9848")
    assert probe(tcp) == {"__param_module": "tcp", "__param_target": "10.23.3.2:9848"}


def test_target_files_follow_the_inventory(tmp_path: Path) -> None:
    inventory = Inventory(Database(tmp_path / "pirack.db"))
    files = TargetFiles(tmp_path / "targets", RACK, inventory, SERVICES)

    def listed_rasps() -> list[str]:
        groups = json.loads((tmp_path / "targets" / "rasp.json").read_text())
        return [group["labels"]["rasp"] for group in groups]

    files.update()
    assert listed_rasps() == []
    inventory.replace([RASP])
    files.update()
    assert listed_rasps() == ["03-2"]


def test_damaged_target_file_is_replaced(tmp_path: Path) -> None:
    files = TargetFiles(
        tmp_path / "targets", RACK, Inventory(Database(tmp_path / "pirack.db")), SERVICES
    )
    files.update()
    path = tmp_path / "targets" / "rasp.json"
    content = path.read_bytes()
    path.write_bytes(b"\xff\x00\xfe")
    assert files.try_update() == []
    assert path.read_bytes() == content


def test_unchanged_target_file_is_not_rewritten(tmp_path: Path) -> None:
    inventory = Inventory(Database(tmp_path / "pirack.db"))
    files = TargetFiles(tmp_path / "targets", RACK, inventory, SERVICES)
    files.update()

    def inodes() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in (tmp_path / "targets").iterdir()}

    previous = inodes()
    files.update()
    assert inodes() == previous
    names = ("alertmanager", "controller", "ping", "prometheus", "rasp")
    assert sorted(previous) == [f"{name}.json" for name in names]


def test_quarantined_rasp_is_pinged_but_not_scraped(tmp_path: Path) -> None:
    inventory = Inventory(Database(tmp_path / "pirack.db"))
    other = Rasp(3, 3, "b8:27:eb:00:00:0b", IPv4Address("10.23.3.3"))
    inventory.replace([RASP, other])
    quarantined: set[str] = {"03-2"}
    files = TargetFiles(tmp_path, RACK, inventory, SERVICES, quarantined=lambda: quarantined)

    def listed(name: str) -> list[str]:
        files.update()
        groups = json.loads((tmp_path / name).read_text())
        return [group["labels"]["rasp"] for group in groups]

    assert listed("rasp.json") == ["03-3"]
    assert listed("ping.json") == ["03-2", "03-3"]
    quarantined.clear()
    assert listed("rasp.json") == ["03-2", "03-3"]
