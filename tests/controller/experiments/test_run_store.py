"""Tests of the stored runs of experiments."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import UnknownRunError
from controller.experiments.energy import OutletEnergy, RunEnergy
from controller.experiments.model import (
    EventKind,
    Rate,
    Run,
    RunEvent,
    RunState,
    RunVerdict,
    VerdictResult,
)
from controller.experiments.plan import plan_from_json
from controller.experiments.store import INTERRUPTED_REASON, RunStore
from rack.database import Database

PLAN = plan_from_json((Path(__file__).with_name("golden_plans") / "raft.json").read_text())
RUN = Run(
    id=0,
    name="raft",
    seed=7,
    actor="otto",
    state=RunState.PREPARING,
    started_at=100.0,
    file="raft.toml",
    text="nodes = 'é'",
    plan=PLAN,
    versions={"pirack": "1.0"},
    layout_hash="5e1f",
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(Database(tmp_path / "pirack.db"), max_runs=3)


def test_saved_run_is_returned_unchanged(store: RunStore) -> None:
    run = store.add(RUN)
    verdict = RunVerdict(VerdictResult.LOST, "12 of 48,210", {"lost": 12})
    energy = RunEnergy((OutletEnergy(1, "01-1", 2.5), OutletEnergy(2, None, None)))
    run = replace(run, state=RunState.DONE, verdict=verdict, finished_at=200.0, energy=energy)
    store.save(run)
    assert store.get(run.id) == run
    [header] = store.list_recent(10)
    assert (header.id, header.verdict, header.title) == (1, verdict, "run 1: raft")


def test_runs_are_listed_newest_first_and_the_oldest_are_deleted(store: RunStore) -> None:
    for name in ("raft", "raft", "blip", "raft"):
        run = store.add(replace(RUN, name=name))
        store.add_event(run.id, RunEvent(1, 100.0, 5.0, EventKind.STATE, "preparing"))
        store.save_rates(run.id, [Rate(1, 2, 3, 4)])
    assert [run.id for run in store.list_recent(10)] == [4, 3, 2]
    assert [run.id for run in store.list_recent(10, name="raft", before=4)] == [2]
    with pytest.raises(
        UnknownRunError, match="no run 1: the list of experiments shows the stored runs"
    ):
        store.get(1)
    assert store.events(1) == []
    assert store.rates(1) == []


def test_unfinished_runs_are_interrupted(store: RunStore) -> None:
    unfinished, done = store.add(RUN), store.add(replace(RUN, state=RunState.DONE))
    [interrupted] = store.mark_interrupted(300.0)
    assert interrupted == store.get(unfinished.id)
    assert (interrupted.state, interrupted.reason, interrupted.finished_at) == (
        RunState.INTERRUPTED, INTERRUPTED_REASON, 300.0
    )  # fmt: skip
    assert store.get(done.id) == done


def test_events_and_rates_are_returned_in_order(store: RunStore) -> None:
    run = store.add(RUN).id
    edge = RunEvent(
        2, 101.0, 6.0, EventKind.EDGE, "stack 01 is off",
        fault=1, stack=1, is_on=False, planned=6.0, before=6.001, after=6.002,
    )  # fmt: skip
    events = [RunEvent(1, 100.0, 5.0, EventKind.STATE, "preparing"), edge]
    for event in events:
        store.add_event(run, event)
    assert store.events(run) == events
    assert store.events(run, after=1) == [edge]
    store.save_rates(run, [Rate(7, 10, 0, 0), Rate(6, 5, 0, 1)])
    store.save_rates(run, [Rate(7, 12, 1, 0)])
    assert store.rates(run) == [Rate(6, 5, 0, 1), Rate(7, 12, 1, 0)]
