"""A process that switches the 48 ports of a PoE switch is killed at seeded moments."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rack.database import Database
from rack.layout_file import load
from rack.power.outlets import Outlets
from tests.helpers.layouts import layout_text
from tests.helpers.outlet_switching import kill, start_switching
from tests.helpers.poe_layouts import COMMUNITY, poe_stacks
from tests.helpers.waiting import wait_until
from virtual_rack.outlets.poe_switch import PoeSwitch

pytestmark = pytest.mark.process

STACKS, SLOTS = 12, 4
PORTS = [str(port) for port in range(1, STACKS * SLOTS + 1)]
MAX_SECONDS = 0.5
"""Longest time from a change of a port to the kill."""


class KilledRack:
    """A rack with a PoE switch, and the processes that switch it."""

    def __init__(self, folder: Path, switch: PoeSwitch) -> None:
        (folder / "community").write_text(COMMUNITY)
        self._layout = folder / "rack.toml"
        self._layout.write_text(
            layout_text(
                poe_stacks(STACKS, SLOTS),
                extra_tables=f'[power.poe]\ndriver = "snmp"\nhost = "{switch.host}"\n'
                f'port = {switch.port}\ncommunity_file = "{folder / "community"}"\n'
                "timeout_seconds = 20.0\n",
            )
        )
        self._database = folder / "pirack.db"
        self._switch = switch
        self._read()

    def _start(self) -> Outlets:
        return Outlets(load(self._layout), Database(self._database))

    def _read(self) -> None:
        with closing(self._start()) as outlets:
            readings = outlets.refresh("poe").values()
            assert {reading.error for reading in readings} == {""}

    @property
    def changes(self) -> dict[str, int]:
        """Number of changes of each port."""
        return {port: self._switch.outlets.switch_count(port) for port in PORTS}

    def switch_until_killed(self, seed: int) -> None:
        """Switch random ports until a kill, at a random time after the first change of a port."""
        previous = self.changes
        process = start_switching(self._layout, self._database, seed)
        wait_until(lambda: self.changes != previous)
        time.sleep(random.Random(seed).uniform(0.0, MAX_SECONDS))
        kill(process)
        self._read()  # the switch executes all earlier requests first

    def check_start(self) -> int:
        """Start again. Return the number of ports that are reported to differ from the command."""
        changes = self.changes
        with closing(self._start()) as outlets:
            assert self.changes == changes
            outlets.refresh("poe")
            assert self.changes == changes
            powers = outlets.all_commanded()
            assert len(powers) == len(PORTS)
            for outlet, power in powers.items():
                assert power.has_power == self._switch.outlets.is_on(outlet.address)
                assert outlets.has_power(outlet) == power.has_power
            differing = {each: power for each, power in powers.items() if power.outlet_differs}
            outlets.switch({outlet: power.has_power for outlet, power in differing.items()})
            assert not any(power.outlet_differs for power in outlets.all_commanded().values())
            assert self.changes == changes
        return len(differing)


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[KilledRack]:
    with PoeSwitch(PORTS, tmp_path / "switch") as switch:
        yield KilledRack(tmp_path, switch)


def check_kills(rack: KilledRack, seeds: range) -> int:
    """Return the number of ports that were reported to differ after a kill."""
    differing = 0
    for seed in seeds:
        rack.switch_until_killed(seed)
        differing += rack.check_start()
    return differing


def test_no_start_after_a_kill_changes_a_port_and_differences_are_reported(
    rack: KilledRack,
) -> None:
    check_kills(rack, range(6))


@pytest.mark.verify
def test_no_start_after_each_of_50_kills_changes_a_port(rack: KilledRack) -> None:
    assert check_kills(rack, range(100, 150)) > 0  # kills between two ports of a command
