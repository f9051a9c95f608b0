"""Controller starts after a kill of an order for the ports of a PoE switch with a real snmpd.

The kill changes no port, and neither does the start. Then an order switches those ports on that an
interrupted power cycle had to switch on, and no others. See `test_killed_controller`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from controller.orders.model import OrderRequest
from rack.layout import Outlet
from rack.power import commanded_power
from tests.controller.test_killed_controller import (
    MAX_RETURN_SECONDS,
    PARALLEL_RACKS,
    KillableRack,
    check_trials,
)
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from tests.helpers.poe_layouts import PATIENT, poe_stacks, poe_table

pytestmark = pytest.mark.process

STACKS, SLOTS = 3, 2
ACTIONS = ("power_off", "power_on", "power_cycle")
ORDER_CHANGES = 14  # transactions of an order for three rasps
MAX_ORDER_SECONDS = 0.5


@dataclass(frozen=True)
class OutletTrial:
    """An order and the moment at which the controller is killed, from a seed.

    Attributes:
        power: Power of the ports before the order.
        kill_at: Number of the transaction before which the controller is killed, or None.
        kill_after: Seconds from the start to the kill, or None.
    """

    seed: int
    power: tuple[bool, ...]
    request: OrderRequest
    kill_at: int | None
    kill_after: float | None

    @classmethod
    def from_seed(cls, seed: int) -> "OutletTrial":
        random = Random(seed)
        action = ACTIONS[seed % len(ACTIONS)]
        is_forced = action != "power_on" and random.random() < 0.5
        power = [random.random() < 0.5 for _ in range(STACKS * SLOTS)]
        if random.random() < 0.5:
            ids = random.sample(range(1, STACKS * SLOTS + 1), random.randint(1, 3))
            request = OrderRequest(action, "rasps", tuple(ids), force=is_forced)
        else:
            stacks = random.sample(range(1, STACKS + 1), random.randint(1, STACKS))
            request = OrderRequest(action, "stacks", tuple(stacks), force=is_forced)
            ids = [SLOTS * (stack - 1) + slot for stack in stacks for slot in (1, 2)]
        for number in ids:
            power[number - 1] = action != "power_on"
        is_counted = random.random() < 0.5
        return cls(
            seed,
            tuple(power),
            request,
            random.randint(1, ORDER_CHANGES) if is_counted else None,
            None if is_counted else random.uniform(0, MAX_ORDER_SECONDS),
        )


class KillableOutlets(KillableRack):
    """A virtual rack with a PoE switch, whose controller is killed and started again."""

    def __init__(self, lab: InstallFixture) -> None:
        super().__init__(lab)
        self._fixture = lab

    @property
    def ports(self) -> Mapping[str, tuple[bool, int]]:
        """Power of each port, and how often it was switched."""
        return self._fixture.virtual.outlet_power()

    @property
    def interrupted(self) -> set[str]:
        """Ports that a power cycle had to switch on."""
        powers = commanded_power.load_all(self.database, self._fixture.rack)
        return {outlet.name for outlet, power in powers.items() if power.on_again_at is not None}

    @property
    def commands(self) -> Mapping[str, bool]:
        powers = commanded_power.load_all(self.database, self._fixture.rack)
        return {outlet.name: power.is_on for outlet, power in powers.items()}

    def set_ports(self, power: Mapping[Outlet, bool]) -> None:
        outlets = self._fixture.outlets
        outlets.switch(power)
        outlets.close()

    def check_ports(self, trial: OutletTrial) -> bool:
        """Run a trial. Return whether the kill left ports that differ from their commands."""
        outlets = self._fixture.rack.outlets
        self.set_ports(dict(zip(outlets, trial.power, strict=True)))
        self.run(requests=(trial.request,), kill_at=trial.kill_at, kill_after=trial.kill_after)
        ports, interrupted, moves = self.ports, self.interrupted, self.relay_moves
        differs = any(ports[name][0] != is_on for name, is_on in self.commands.items())
        report = self.run()
        assert report is not None
        assert report.relay_moves == moves  # the start has switched no port
        assert report.returned_after < MAX_RETURN_SECONDS
        assert self.ports == {
            name: (True, count + 1) if name in interrupted and not is_on else (is_on, count)
            for name, (is_on, count) in ports.items()
        }
        return differs or bool(interrupted)


@pytest.fixture(scope="module")
def racks() -> Iterator[list[KillableOutlets]]:
    # In memory if possible, because there are thousands of transactions.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        racks = []
        for _ in range(PARALLEL_RACKS):
            folder = Path(stack.enter_context(TemporaryDirectory(dir=memory)))
            fixture = running_fixture(
                folder,
                stacks=poe_stacks(STACKS, SLOTS),
                power_tables=f"{poe_table(folder)}{PATIENT}",
            )
            racks.append(KillableOutlets(stack.enter_context(fixture)))
        yield racks


def test_kill_of_the_controller_and_its_start_change_no_port(racks: list[KillableOutlets]) -> None:
    trials = [*map(OutletTrial.from_seed, range(12))]
    check_trials(racks, trials, KillableOutlets.check_ports)


@pytest.mark.verify
def test_kill_of_the_controller_at_each_of_50_moments_changes_no_port(
    racks: list[KillableOutlets],
) -> None:
    trials = [*map(OutletTrial.from_seed, range(3000, 3050))]
    check_trials(racks, trials, KillableOutlets.check_ports)
