"""Installs of a loopback rack whose rasps are powered by the ports of a PoE switch."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dhcp_installer.dhcpd.config_file import DhcpConfigFile
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.dhcpd.server import AutoReloadServer
from dhcp_installer.install.installer import InstallRequest
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressReport, Stage
from rack.inventory import Rasp
from rack.layout import Rack
from rack.layout_file import parse
from rack.power.outlets import Outlets
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from tests.helpers.poe_layouts import PATIENT, poe_stacks, poe_table
from virtual_rack.faults import Fault
from virtual_rack.rasp import mac_of

pytestmark = pytest.mark.process

STACKS, SLOTS = 2, 3
CUT_SECONDS = 0.5  # includes the time until a rasp follows the outlet
UNMANAGED_CONFIG = "# ours\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(
        tmp_path,
        stacks=poe_stacks(STACKS, SLOTS),
        power_tables=f"{poe_table(tmp_path)}{PATIENT}",
        cut_seconds=CUT_SECONDS,
    ) as lab:
        lab.config_path.write_text(UNMANAGED_CONFIG)
        yield lab


def outlet_moves(lab: InstallFixture) -> dict[str, int]:
    """Return how often each outlet was switched."""
    return {name: moves for name, (_, moves) in lab.virtual.outlet_power().items()}


def outlet_power(lab: InstallFixture) -> dict[str, bool]:
    return {name: power for name, (power, _) in lab.virtual.outlet_power().items()}


def during_discovery(action: Callable[[], object]) -> Callable[[ProgressReport], None]:
    """Return a function for progress reports that calls `action` when discovery starts."""
    is_called = threading.Event()

    def on_progress(report: ProgressReport) -> None:
        if report.stage is Stage.DISCOVER and report.message and not is_called.is_set():
            is_called.set()
            action()

    return on_progress


def run_with_layout(lab: InstallFixture, rack: Rack, request: InstallRequest) -> InstallRecord:
    """Run an install with another layout than that of the virtual rack."""
    with closing(Outlets(rack, lab.database)) as outlets:
        configuration = DhcpConfigFile(
            lab.config_path, DhcpdRenderer(rack, lab.config_path), AutoReloadServer()
        )
        dependencies = lab.dependencies(rack=rack, outlets=outlets, configuration=configuration)
        return lab.run(dependencies, request)


@pytest.mark.parametrize("strategy", ["cut", "one-by-one"])
def test_rasps_get_the_slots_of_their_outlets(lab: InstallFixture, strategy: str) -> None:
    """The ports are wired in another order than the MAC addresses."""
    text = lab.layout_path.read_text()
    for slot, port in enumerate([3, 1, 2, 6, 5, 4], 1):
        text = text.replace(f'"poe:{slot}"', f'"poe:_{port}"')
    rack = parse(text.replace("poe:_", "poe:"))
    request = InstallRequest(InstallKind.INSTALL, "alice", strategy)
    record = run_with_layout(lab, rack, request)
    assert record.state is InstallState.DONE, record
    mac_by_port = {
        outlet.address: mac_of(slot)
        for slot, outlet in zip(lab.rack.slots, lab.rack.outlets, strict=True)
    }
    assert {rasp.name: rasp.mac for rasp in lab.known_rasps} == {
        outlet.name: mac_by_port[outlet.address] for outlet in rack.outlets
    }
    assert record.report.slots == {rasp.mac: rasp.slot for rasp in lab.known_rasps}
    assert record.report.slot_evidence.keys() == record.report.slots.keys()
    assert any(message.startswith("found the slots of 6 rasps: 6 by ") for message in lab.messages)
    assert all(outlet_power(lab).values())


def test_switch_that_does_not_respond_fails_the_install_before_anything_is_switched(
    lab: InstallFixture,
) -> None:
    lab.virtual.inject_fault(lab.rack.slots, Fault.OUTLET_AWAY)
    moves = outlet_moves(lab)
    rack = parse(lab.layout_path.read_text().replace(PATIENT, "timeout_seconds = 1\n"))
    record = run_with_layout(lab, rack, InstallRequest(InstallKind.INSTALL, "alice"))
    assert record.state is InstallState.FAILED
    assert "poe:" in record.error
    assert "127.0.0.1" in record.error
    assert lab.config_path.read_text() == UNMANAGED_CONFIG
    assert outlet_moves(lab) == moves


def test_outlet_that_fails_during_discovery_fails_the_install_and_all_others_are_restored(
    lab: InstallFixture,
) -> None:
    off = lab.rack.outlets[0]
    lab.outlets.switch({off: False})
    failing = lab.rack.outlets[4]

    def fail_outlet() -> None:
        lab.inject_fault(failing.stack, failing.slot or 0, Fault.OUTLET_REFUSES)

    record = lab.run(on_progress=during_discovery(fail_outlet))
    assert record.state in {InstallState.FAILED, InstallState.INTERRUPTED}
    assert failing.label in record.error
    assert "\n" not in record.error
    assert lab.config_path.read_text() == UNMANAGED_CONFIG
    assert lab.known_rasps == []
    power = outlet_power(lab)
    assert power.pop(off.name) is False
    power.pop(failing.name)
    assert all(power.values())
    lab.virtual.clear_fault(lab.rack.slots, Fault.OUTLET_REFUSES)
    assert lab.run().state is InstallState.DONE
    assert lab.known_rasps == lab.rasps


def test_stopped_install_restores_the_power_of_each_outlet(lab: InstallFixture) -> None:
    off = lab.rack.outlets[2]
    lab.outlets.switch({off: False})
    stop = threading.Event()
    record = lab.run(on_progress=during_discovery(stop.set), stop=stop)
    assert record.state is InstallState.STOPPED
    assert outlet_power(lab) == {outlet.name: outlet != off for outlet in lab.rack.outlets}
    assert lab.config_path.read_text() == UNMANAGED_CONFIG


def replace_board(lab: InstallFixture, slot_index: int) -> tuple[str, str]:
    """Replace the board in slot 02-2 in the inventory. Return the state and the error."""
    old = lab.rasps[slot_index]
    lab.inventory.replace(
        replace(rasp, mac="b8:27:eb:ff:ff:01") if rasp == old else rasp for rasp in lab.rasps
    )
    slot = next(slot for slot in lab.rack.slots if slot.name == old.name)
    request = InstallRequest(InstallKind.REPLACE, "alice", slot_to_replace=slot)
    lab.outlets.switch({lab.rack.stack(slot.stack).outlet_of(slot): False})
    record = lab.run(request=request)
    return record.state, record.error


def test_replacement_switches_only_the_outlet_of_its_slot(lab: InstallFixture) -> None:
    moves = outlet_moves(lab)
    assert replace_board(lab, 4) == ("done", "")
    assert lab.known_rasps == lab.rasps
    assert {name for name, count in outlet_moves(lab).items() if count != moves[name]} == {"02-2"}
    assert "switched on slot 02-2" in lab.messages
    assert f"{lab.rasps[4].mac} is the new board of slot 02-2" in lab.messages


def test_second_install_moves_a_rasp_to_the_slot_of_its_outlet(lab: InstallFixture) -> None:
    first, second = lab.rasps[:2]
    swapped = [
        Rasp(first.stack, first.slot, second.mac, first.address),
        Rasp(second.stack, second.slot, first.mac, second.address),
        *lab.rasps[2:],
    ]
    lab.inventory.replace(swapped)
    assert lab.run().state is InstallState.DONE
    assert lab.known_rasps == lab.rasps


def test_dead_rasp_is_reported_with_its_slot(lab: InstallFixture) -> None:
    lab.inject_fault(2, 3, Fault.DEAD)

    def on_progress(report: ProgressReport) -> None:
        if report.stage is Stage.DISCOVER and report.rasps_found == STACKS * SLOTS - 1:
            lab.clock.advance(1.0)

    record = lab.run(on_progress=on_progress)
    assert record.state is InstallState.DONE
    assert record.report.missing == {2: 1}
    assert record.report.missing_slots == ("02-3",)
    assert "stack 2: rasps not found: 1 (02-3)" in lab.messages
    assert [rasp.name for rasp in lab.known_rasps] == [
        "01-1", "01-2", "01-3", "02-1", "02-2",
    ]  # fmt: skip
