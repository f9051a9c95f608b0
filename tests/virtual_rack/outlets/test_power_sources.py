"""Rack whose rasps are powered by plugs, a program and a relay."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from exporter import aliases
from rack.layout_file import parse
from rack.targets import resolve_slots
from tests.helpers.layouts import Keys, layout_text
from tests.helpers.waiting import TIMEOUT_SECONDS, free_network_prefix, free_port, wait_until
from virtual_rack import control
from virtual_rack.faults import Fault, UnsupportedFaultError
from virtual_rack.loopback import LoopbackOptions, loopback_rack
from virtual_rack.outlets.power_sources import PowerSourceError
from virtual_rack.outlets.source_devices import split_address
from virtual_rack.relays import PinState

ALIASES = aliases.load(aliases.DEFAULT_PATH)
PROGRAM = 'driver = "command"\non = ["o", "on", "{address}"]\noff = ["o", "off", "{address}"]\n'
STACKS: list[Keys] = [
    {"pin": 16, "x": 0, "y": 0},
    {"outlet": "usb:1-1", "x": 1, "y": 0},
    {"outlets": ["plugs:127.0.0.1:{port}/1", "plugs:127.0.0.1:{port}/2"], "x": 2, "y": 0},
]


class MixedRack(SimpleNamespace):
    """A rack with a relay, a program for a stack, and a plug for each slot of a stack."""

    def __init__(self, state: Path) -> None:
        self.port = free_port()
        text = layout_text(
            STACKS,
            extra_tables=f'[power.usb]\n{PROGRAM}\n[power.plugs]\ndriver = "http"\n'
            'api = "tasmota"\n',
        ).replace("{port}", str(self.port))
        self.state = state
        self.rack = loopback_rack(
            parse(text), ALIASES, state, LoopbackOptions(free_network_prefix(), boot_seconds=0)
        )
        self.rack.power_on()

    def command_plug(self, command: str) -> None:
        url = f"http://127.0.0.1:{self.port}/cm"
        requests.get(url, params={"cmnd": command}, timeout=TIMEOUT_SECONDS).raise_for_status()

    def plug_watts(self) -> list[float]:
        url = f"http://127.0.0.1:{self.port}/cm"
        response = requests.get(url, params={"cmnd": "Status 10"}, timeout=TIMEOUT_SECONDS)
        watts: list[float] = response.json()["StatusSNS"]["ENERGY"]["Power"]
        return watts

    @property
    def off(self) -> list[str]:
        """The rasps without power."""
        return [name for name, (phase, _) in self.rack.status().items() if phase == "off"]

    def inject_fault(self, target: str, fault: Fault) -> None:
        self.rack.inject_fault(resolve_slots(self.rack.rack, [target]), fault)

    def faults(self, name: str) -> frozenset[Fault]:
        return self.rack.status()[name][1]


@pytest.fixture
def mixed_rack(tmp_path: Path) -> Iterator[MixedRack]:
    rack = MixedRack(tmp_path)
    yield rack
    rack.rack.close()


def test_outlet_of_a_slot_powers_only_the_rasp_in_this_slot(mixed_rack: MixedRack) -> None:
    assert mixed_rack.off == []
    mixed_rack.command_plug("Power2 Off")
    assert mixed_rack.off == ["03-2"]
    assert mixed_rack.rack.outlet_power()["03-1"] == (True, 0)
    assert mixed_rack.rack.outlet_power()["03-2"] == (False, 1)
    assert mixed_rack.rack.stack_power()["03"] == (False, 1)
    mixed_rack.command_plug("Power2 On")
    assert mixed_rack.off == []


def test_outlets_of_other_sources_do_not_follow_a_pin(mixed_rack: MixedRack) -> None:
    mixed_rack.rack.drive(16, PinState(is_output=True, is_high=True))
    assert mixed_rack.off == ["01-1", "01-2"]


@pytest.mark.process
def test_program_of_a_source_switches_its_stack(mixed_rack: MixedRack) -> None:
    program = mixed_rack.state / "outlets" / "usb" / "outlet"
    subprocess.run([program, "off", "1-1"], timeout=TIMEOUT_SECONDS, check=True)
    assert mixed_rack.off == ["02-1", "02-2"]


def test_watts_of_an_outlet_are_those_of_its_rasp(mixed_rack: MixedRack) -> None:
    mixed_rack.rack.advance()
    first, second = mixed_rack.plug_watts()
    assert first > 1
    assert second > 1
    mixed_rack.command_plug("Power2 Off")
    assert mixed_rack.plug_watts()[1] == 0.0


def test_power_follows_without_another_request_to_the_rack(mixed_rack: MixedRack) -> None:
    mixed_rack.rack.defers_power = True
    mixed_rack.command_plug("Power1 Off")
    rasp = mixed_rack.rack._rasps[5]
    wait_until(lambda: not rasp.is_powered)


def test_stuck_contact_keeps_its_power_although_the_plug_is_off(mixed_rack: MixedRack) -> None:
    mixed_rack.inject_fault("3/1", Fault.STUCK_RELAY)
    mixed_rack.command_plug("Power1 Off")
    mixed_rack.command_plug("Power2 Off")
    assert mixed_rack.off == ["03-2"]
    mixed_rack.rack.advance()
    assert mixed_rack.plug_watts()[0] > 1
    mixed_rack.rack.clear_fault(mixed_rack.rack.rack.slots)
    assert mixed_rack.off == ["03-1", "03-2"]


def test_fault_of_an_outlet_does_not_affect_others(mixed_rack: MixedRack) -> None:
    mixed_rack.inject_fault("3/1", Fault.OUTLET_LIES)
    mixed_rack.command_plug("Power1 Off")
    mixed_rack.command_plug("Power2 Off")
    assert mixed_rack.off == ["03-2"]
    assert mixed_rack.faults("03-1") == {Fault.OUTLET_LIES}
    assert mixed_rack.faults("03-2") == frozenset()


def test_fault_of_a_device_affects_all_its_outlets(mixed_rack: MixedRack) -> None:
    mixed_rack.inject_fault("3/1", Fault.OUTLET_AWAY)
    assert mixed_rack.faults("03-2") == {Fault.OUTLET_AWAY}
    assert mixed_rack.faults("02-1") == frozenset()
    with pytest.raises(requests.ConnectionError):
        mixed_rack.command_plug("Power2 Off")
    mixed_rack.rack.clear_fault(resolve_slots(mixed_rack.rack.rack, ["3"]))
    mixed_rack.command_plug("Power2 Off")
    assert mixed_rack.off == ["03-2"]


def test_relay_has_no_fault_of_a_power_source(mixed_rack: MixedRack) -> None:
    request = {"command": "fault", "targets": ["1"], "fault": "outlet-away"}
    assert control.handle(mixed_rack.rack, request) == {
        "error": "outlet-away: the outlet GPIO16 has no virtual device: use stuck-relay"
    }
    with pytest.raises(UnsupportedFaultError):
        mixed_rack.inject_fault("all", Fault.OUTLET_AWAY)
    assert mixed_rack.faults("03-1") == frozenset()


def test_status_lists_the_outlets(mixed_rack: MixedRack) -> None:
    mixed_rack.command_plug("Power1 Off")
    outlets = control.handle(mixed_rack.rack, {"command": "status"})["outlets"]
    assert list(outlets) == ["01", "02", "03-1", "03-2"]
    assert outlets["03-1"] == {"power": "off", "moves": 1}


def test_device_at_an_address_of_another_machine_is_reported(tmp_path: Path) -> None:
    text = layout_text(
        [{"outlets": ["plugs:203.0.113.9:9161", "plugs:203.0.113.9:9161/2"], "x": 0, "y": 0}],
        extra_tables='[power.plugs]\ndriver = "http"\napi = "tasmota"\n',
    )
    rack = loopback_rack(
        parse(text), ALIASES, tmp_path, LoopbackOptions(free_network_prefix(), boot_seconds=0)
    )
    with pytest.raises(PowerSourceError, match=r"^cannot listen at 203\.0\.113\.9, port 9161 "):
        rack.power_on()
    rack.close()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("10.23.0.31", ("10.23.0.31", 80, 1)),
        ("10.23.0.31/2", ("10.23.0.31", 80, 2)),
        ("10.23.0.31:8080/3", ("10.23.0.31", 8080, 3)),
        ("[fd00::1]:8080", ("fd00::1", 8080, 1)),
    ],
)
def test_address_of_a_plug_has_host_port_and_channel(
    address: str, parts: tuple[str, int, int]
) -> None:
    assert split_address(address, 1) == parts
