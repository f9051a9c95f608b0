"""Checks of the relay holder and of the pins, with a real holder and a simulated kernel."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from controller.doctor.finding import FindingSeverity, NotCheckedError
from controller.doctor.relays import check_holder, check_pins
from rack.gpio.client import HolderClient
from tests.helpers.fake_clock import FakeClock
from tests.rack.gpio.relay_master import RACK_OF_2, RelayMaster, running_master

PROGRAM = ""  # digest of the holder of these tests


@pytest.fixture
def master(tmp_path: Path) -> Iterator[RelayMaster]:
    with running_master(tmp_path) as master:
        yield master


@pytest.fixture
def client(master: RelayMaster) -> Iterator[HolderClient]:
    with closing(master.client()) as client:
        yield client


def test_running_holder_of_this_version_has_no_finding(client: HolderClient) -> None:
    assert check_holder(client.request, PROGRAM) == []


def test_holder_of_another_version_is_found_with_the_harmless_restart(client: HolderClient) -> None:
    [finding] = check_holder(client.request, "another digest")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.fix == "`sudo systemctl restart pirack-relays`, which moves no relay"


def test_stopped_holder_is_found_until_it_is_started(master: RelayMaster, tmp_path: Path) -> None:
    master.stop_holder()
    clock = FakeClock()
    client = HolderClient(tmp_path / "socket", clock=clock, sleep=clock.sleep)
    [finding] = check_holder(client.request, PROGRAM)
    assert "the process that holds the relays does not respond" in finding.problem
    assert finding.fix.startswith("`sudo systemctl restart pirack-relays pirack-controller`")
    with pytest.raises(NotCheckedError, match="does not respond"):
        check_pins(client.request, RACK_OF_2.outlets)
    master.start_holder()
    assert check_holder(client.request, PROGRAM) == []
    client.close()


def test_controller_without_relays_is_found(client: HolderClient) -> None:
    [finding] = check_holder(client.request, PROGRAM, "the relays cannot be used: x")
    assert finding.problem == "the relays cannot be used: x"
    assert finding.fix.endswith("`sudo systemctl restart pirack-controller`")


def test_pin_of_another_program_is_found_until_that_program_ends(
    master: RelayMaster, client: HolderClient
) -> None:
    relays = RACK_OF_2.outlets
    assert check_pins(client.request, relays) == []
    master.kernel.occupy(17)
    [finding] = check_pins(client.request, relays)
    assert finding.problem == "GPIO17 of stack 2 is used by `gpioset`"
    assert finding.fix.startswith("end `gpioset`, or remove its overlay from")
    assert master.kernel.changes == []
    assert not master.kernel.is_requested(16)
    master.kernel.free(17)
    assert check_pins(client.request, relays) == []
    assert master.make_relays().error == ""
    assert check_pins(client.request, relays) == []
