"""Controller starts after a kill of an order or install before a database write or a pin change.

The master does not reboot in between. The start moves no relay. Then an order switches those stacks
on that an interrupted power cycle had to switch on, and no other stack. The commanded power of each
other stack matches its relay, or the controller reports a power mismatch, which one order resolves.
`forked_controller` runs the controllers.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest

from controller.orders.model import OrderRequest
from dhcp_installer.install.journal import Journal
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower
from tests.controller import forked_controller
from tests.controller.forked_controller import (
    INSTALL,
    RECOVER_INSTALL,
    ControllerRun,
    PlannedCycle,
    Report,
)
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from tests.helpers.waiting import free_port
from virtual_rack.loopback import PING_PORT
from virtual_rack.ssh_servers import SSH_PORT

pytestmark = pytest.mark.process

PARALLEL_RACKS = 4
STACKS = (1, 2, 3)
START_CHANGES = 5  # two transactions, and the claims of three pins
RETURN_CHANGES = 12  # three transactions of an order, and two and a pin change for each stack
INSTALL_CHANGES = 50
MAX_RETURN_SECONDS = 10.0
LEAD_SECONDS = 0.7
_SETTLE_SECONDS = 0.3
ACTIONS = ("power_off", "power_on", "power_cycle", "power_off", INSTALL)
IMMEDIATE_ORDERS = """
[orders]
boot_seconds = 0
shutdown_seconds = 0
disk_settle_seconds = 0
off_seconds = 0
"""


@dataclass(frozen=True)
class Trial:
    """A request and the changes before which the controller is killed, from a seed."""

    seed: int
    power: tuple[bool, ...]  # before the request
    request: OrderRequest | str
    kill_at: int
    kill_start_at: int | None
    kill_return_at: int | None
    is_resolved_on: bool
    is_recovered: bool

    @classmethod
    def from_seed(cls, seed: int) -> "Trial":
        random = Random(seed)
        power = [random.random() < 0.5 for _ in STACKS]
        action = ACTIONS[seed % len(ACTIONS)]
        request: OrderRequest | str = INSTALL
        changes = INSTALL_CHANGES
        if action != INSTALL:
            stacks = tuple(random.sample(STACKS, random.randint(1, len(STACKS))))
            is_forced = action != "power_on" and random.random() < 0.5
            request = OrderRequest(action, "stacks", stacks, force=is_forced)
            for stack in stacks:
                power[stack - 1] = action != "power_on"
            # Each switch is a transaction, the pin changes and a transaction. A forced order
            # switches all stacks as one. The order has three more transactions.
            switches = 1 if is_forced else len(stacks)
            changes = 3 + (2 * switches + len(stacks)) * (2 if action == "power_cycle" else 1)
        return cls(
            seed,
            tuple(power),
            request,
            random.randint(1, changes),
            random.randint(1, START_CHANGES) if random.random() < 0.25 else None,
            random.randint(1, RETURN_CHANGES) if random.random() < 0.25 else None,
            is_resolved_on=random.random() < 0.5,
            is_recovered=random.random() < 0.5,
        )


@dataclass(frozen=True)
class PlannedTrial:
    """A planned power cycle and the time after which the controller is killed, from a seed."""

    seed: int
    cycle: PlannedCycle
    kill_after: float

    @classmethod
    def from_seed(cls, seed: int) -> "PlannedTrial":
        random = Random(seed)
        stacks = tuple(random.sample(STACKS, random.randint(1, len(STACKS))))
        request = OrderRequest("power_cycle", "stacks", stacks, force=random.random() < 0.75)
        off_seconds = random.uniform(0.2, 1.5)
        cycle = PlannedCycle(request, LEAD_SECONDS, off_seconds)
        return cls(seed, cycle, random.uniform(0, LEAD_SECONDS + off_seconds + 0.3))


class KillableRack:
    """A virtual rack whose controller is killed and started again."""

    def __init__(self, lab: InstallFixture, *, prometheus: str = "") -> None:
        self._lab = lab
        self.database = lab.database
        self._journal = Journal(lab.database)
        text = lab.layout_path.read_text()
        lab.layout_path.write_text(text.replace("[[stacks]]", IMMEDIATE_ORDERS + "[[stacks]]", 1))
        lab.inventory.replace(lab.rasps)
        unused = free_port()
        self._argv = (
            *("--rack", str(lab.layout_path), "--db", str(lab.database.path)),
            *("--targets", str(lab.folder / "targets"), "--ssh-port", str(SSH_PORT)),
            *("--prometheus", prometheus or f"http://127.0.0.1:{unused}"),
            *("--blackbox", f"127.0.0.1:{unused}"),
            *("--ping", f"tcp:{PING_PORT}", "--dhcpd-conf", str(lab.config_path)),
            *("--dhcp-server", "auto-reload", "--dhcp-log", f"file:{lab.log_path}"),
        )
        self._environment = {
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(lab.state),
        }

    def run(self, **run: Any) -> Report | None:
        """Run a controller. See `ControllerRun`.

        After a kill, wait until the rack has handled the last message of the controller to a pin.
        """
        report = forked_controller.run(
            ControllerRun(self._argv, self._environment, self._lab.folder, **run)
        )
        moves: list[int] = []
        while report is None and moves != self.relay_moves:
            moves = self.relay_moves
            time.sleep(_SETTLE_SECONDS)
        return report

    @property
    def has_interrupted_install(self) -> bool:
        return bool(self._journal.list_interrupted())

    @property
    def power(self) -> list[bool]:
        return self._lab.power

    @property
    def relay_moves(self) -> list[int]:
        return [moves for _, moves in self._lab.virtual.stack_power().values()]

    @property
    def commanded(self) -> list[bool]:
        return [power.is_on for power in self._powers]

    @property
    def interrupted_cycles(self) -> list[int]:
        """Stacks that a power cycle had to switch on."""
        return [
            stack
            for stack, power in zip(STACKS, self._powers, strict=True)
            if power.on_again_at is not None
        ]

    @property
    def _powers(self) -> list[CommandedPower]:
        return [*commanded_power.load_all(self._lab.database, self._lab.rack).values()]

    def reset(self, power: Sequence[bool]) -> None:
        """Set the power of the stacks, and recover an interrupted install."""
        if self.has_interrupted_install:
            self.run(requests=(RECOVER_INSTALL,))
        for stack, is_on in zip(STACKS, power, strict=True):
            self._lab.outlets.switch({self._lab.rack.outlet(stack): is_on})

    def check(self, trial: Trial) -> bool:
        """Run a trial. Return whether the kill left a power mismatch."""
        self.reset(trial.power)
        self.run(requests=(trial.request,), kill_at=trial.kill_at)
        has_mismatch = self.power != self.commanded
        if trial.kill_return_at is not None:
            self.run(kill_at=trial.kill_return_at)
        power, moves, commanded = self.power, self.relay_moves, self.commanded
        interrupted = self.interrupted_cycles
        if trial.kill_start_at is not None:
            assert self.run(kill_start_at=trial.kill_start_at) is None
        mismatched = [
            stack
            for stack, *powers in zip(STACKS, power, commanded, strict=True)
            if len({*powers}) > 1 and stack not in interrupted
        ]
        is_recovery = trial.is_recovered and self.has_interrupted_install
        action = "power_on" if trial.is_resolved_on else "power_off"
        order = OrderRequest(action, "stacks", tuple(mismatched), force=not trial.is_resolved_on)
        requests: tuple[OrderRequest | str, ...] = (order,) if mismatched else ()
        report = self.run(requests=(RECOVER_INSTALL,) if is_recovery else requests)
        assert report is not None
        assert report.relay_moves == moves
        assert report.returned_moves == moves_of_return(moves, power, interrupted)
        assert report.returned_after < MAX_RETURN_SECONDS
        assert [stack.power for stack in report.started] == texts(commanded)
        for stack, relay in zip(report.started, texts(power), strict=True):
            expected = f"commanded {stack.power}, but its relay is {relay}: "
            assert (
                stack.mismatch.startswith(expected) if stack.power != relay else not stack.mismatch
            )

        assert [stack.mismatch for stack in report.finished] == [""] * len(STACKS)
        assert [stack.power for stack in report.finished] == texts(self.power)
        assert self.commanded == self.power
        if is_recovery:  # the install may have been in its last step, with all stacks on
            assert self.power in ([*trial.power], [True, True, True])
        else:
            assert self.power == [
                stack in interrupted or (trial.is_resolved_on if stack in mismatched else is_on)
                for stack, is_on in zip(STACKS, power, strict=True)
            ]
        return has_mismatch

    def check_planned_cycle(self, trial: "PlannedTrial") -> bool:
        """Run a trial. Return whether the kill left a stack without power."""
        self.reset([True] * len(STACKS))
        self.run(requests=(trial.cycle,), kill_after=trial.kill_after)
        power, moves = self.power, self.relay_moves
        report = self.run()
        assert report is not None
        assert report.relay_moves == moves
        assert report.returned_moves == moves_of_return(moves, power, STACKS)
        assert report.returned_after < MAX_RETURN_SECONDS
        assert self.power == self.commanded == [True] * len(STACKS)
        return not all(power)


def moves_of_return(
    moves: Sequence[int], power: Sequence[bool], returned: Sequence[int]
) -> list[int]:
    """Return the relay moves after the return of the power of some stacks."""
    return [
        count + (stack in returned and not is_on)
        for stack, count, is_on in zip(STACKS, moves, power, strict=True)
    ]


def texts(power: Sequence[bool]) -> list[str]:
    return ["on" if is_on else "off" for is_on in power]


@pytest.fixture(scope="module")
def racks() -> Iterator[list[KillableRack]]:
    # In memory if possible, because there are thousands of transactions.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        yield [
            KillableRack(
                stack.enter_context(
                    running_fixture(
                        Path(stack.enter_context(TemporaryDirectory(dir=memory))),
                        stacks=len(STACKS),
                    )
                )
            )
            for _ in range(PARALLEL_RACKS)
        ]


AnyTrial = TypeVar("AnyTrial")
AnyRack = TypeVar("AnyRack")


def check_trials(
    racks: Sequence[AnyRack],
    trials: Sequence[AnyTrial],
    check: Callable[[AnyRack, AnyTrial], bool],
) -> None:
    def check_share(rack: AnyRack, share: Sequence[AnyTrial]) -> list[bool]:
        results = []
        for trial in share:
            try:
                results.append(check(rack, trial))
            except AssertionError as error:
                raise AssertionError(f"{trial}: {error}") from error
        return results

    with ThreadPoolExecutor(PARALLEL_RACKS) as pool:
        shares = [trials[first::PARALLEL_RACKS] for first in range(PARALLEL_RACKS)]
        had_effect = [result for share in pool.map(check_share, racks, shares) for result in share]
    assert len(had_effect) == len(trials)
    assert sum(had_effect) > len(trials) / 10


def test_start_after_a_kill_moves_no_relay(racks: list[KillableRack]) -> None:
    check_trials(racks, [*map(Trial.from_seed, range(20))], KillableRack.check)


@pytest.mark.verify
def test_start_after_each_of_many_kills_moves_no_relay(racks: list[KillableRack]) -> None:
    check_trials(racks, [*map(Trial.from_seed, range(1000, 1200))], KillableRack.check)


def test_power_returns_after_a_kill_at_any_moment_of_a_power_cycle(
    racks: list[KillableRack],
) -> None:
    trials = [*map(PlannedTrial.from_seed, range(8))]
    check_trials(racks, trials, KillableRack.check_planned_cycle)


@pytest.mark.verify
def test_power_returns_after_a_kill_at_each_of_100_moments_of_power_cycles(
    racks: list[KillableRack],
) -> None:
    trials = [*map(PlannedTrial.from_seed, range(2000, 2100))]
    check_trials(racks, trials, KillableRack.check_planned_cycle)
