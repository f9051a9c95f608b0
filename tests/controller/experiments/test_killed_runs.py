"""Controller starts after a kill at seeded moments of the faults of a run.

The power of all stacks returns at most ten seconds after the start, and the run is interrupted.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from controller.experiments.model import RunState
from controller.experiments.store import RunStore
from controller.state.build import STATE_SERIES
from tests.controller.forked_controller import KilledExperiment
from tests.controller.state.test_prometheus import http_server_returning
from tests.controller.test_killed_controller import (
    MAX_RETURN_SECONDS,
    PARALLEL_RACKS,
    STACKS,
    KillableRack,
    check_trials,
)
from tests.dhcp_installer.install_fixture import running_fixture

pytestmark = pytest.mark.process

FIRST_FAULT_SECONDS = 4.0  # the engine submits a power cycle so long before its cut
SLOTS_PER_STACK = 2


@dataclass(frozen=True)
class RunTrial:
    """The run of an experiment and the moment at which the controller is killed, from a seed."""

    seed: int
    experiment: KilledExperiment

    @classmethod
    def from_seed(cls, seed: int) -> "RunTrial":
        random = Random(seed)
        faults, at = "", 0.0
        for stack in random.sample(STACKS, random.randint(1, len(STACKS))):
            kind = "power" if random.random() < 0.75 else "shutdown"
            off = random.uniform(0.5, 2.5)
            faults += (
                f'[[fault]]\nkind = "{kind}"\npick = "{stack:02}"\n'
                f'at = "{at:.3f} s"\noff = "{off:.3f} s"\n'
            )
            at += random.uniform(0, 1)
        text = f'nodes = "all"\n{faults}'
        kill_after = FIRST_FAULT_SECONDS + random.uniform(-0.5, at + 1.5)
        return cls(seed, KilledExperiment(text, kill_after))


def check(rack: KillableRack, trial: RunTrial) -> bool:
    """Run a trial. Return whether the kill left a stack without power."""
    rack.reset([True] * len(STACKS))
    assert rack.run(requests=(trial.experiment,)) is None
    power, moves = rack.power, rack.relay_moves
    report = rack.run()
    assert report is not None
    assert report.relay_moves == moves
    assert report.returned_after < MAX_RETURN_SECONDS
    assert rack.power == rack.commanded == [True] * len(STACKS)
    [run] = RunStore(rack.database).list_recent(1)
    # A run whose shutdown failed may have ended just before the kill.
    assert run.state in {RunState.INTERRUPTED, RunState.ABORTED}
    _end_reservations(rack)
    return not all(power)


def _end_reservations(rack: KillableRack) -> None:
    """End the reservation of the run, for which the next run would wait until its lease is over."""
    with rack.database.connection() as connection:
        connection.execute("DELETE FROM reservations")


@pytest.fixture(scope="module")
def racks() -> Iterator[list[KillableRack]]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    up = [
        {
            "metric": {"__name__": STATE_SERIES, "stack": f"{stack:02}", "slot": str(slot)},
            "value": [0, "1"],
        }
        for stack in STACKS
        for slot in range(1, SLOTS_PER_STACK + 1)
    ]
    answer = {"status": "success", "data": {"resultType": "vector", "result": up}}
    with ExitStack() as stack:
        prometheus = stack.enter_context(http_server_returning(200, json.dumps(answer).encode()))
        folders = [
            Path(stack.enter_context(TemporaryDirectory(dir=memory))) for _ in range(PARALLEL_RACKS)
        ]
        yield [
            KillableRack(
                stack.enter_context(running_fixture(folder, stacks=len(STACKS))),
                prometheus=prometheus,
            )
            for folder in folders
        ]


def test_power_returns_after_a_kill_during_the_faults_of_a_run(racks: list[KillableRack]) -> None:
    check_trials(racks, [*map(RunTrial.from_seed, range(4))], check)


@pytest.mark.verify
@pytest.mark.timeout(1800)
def test_power_returns_after_a_kill_at_each_of_100_moments_of_runs(
    racks: list[KillableRack],
) -> None:
    check_trials(racks, [*map(RunTrial.from_seed, range(3000, 3100))], check)
