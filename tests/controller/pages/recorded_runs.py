"""Runs of experiments with events and rates, for tests of pages."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

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
from controller.experiments.plan import AbortLimits, Plan, PlanCheck, PlannedFault
from controller.experiments.store import RunStore
from rack.names import rasp_name

ORIGIN = 1_000.0
POWER_CUT = PlannedFault(1, "power", 10.0, (2,), ("02-1", "02-2"), seconds_off=5.0)
REBOOT = PlannedFault(2, "reboot", 30.0, (1,), ("01-1",))


def run_with(*faults: PlannedFault) -> Run:
    plan = Plan(
        name="raft",
        seed=7,
        nodes=("01-1", "02-1", "02-2"),
        stacks=(1, 2),
        start="",
        stop="",
        client="",
        check=PlanCheck("set"),
        probes=(),
        within=60.0,
        clock_offset=None,
        places={},
        faults=faults,
        abort=AbortLimits(80.0, under_voltage=True, boot_within=60.0),
    )
    return Run(
        id=12,
        name="raft",
        seed=7,
        actor="anna",
        state=RunState.DONE,
        started_at=1.8e9,
        file="raft.toml",
        text="",
        plan=plan,
        versions={},
        layout_hash="",
    )


def event(kind: EventKind, at: float, **fields: Any) -> RunEvent:
    """Return an event `at` seconds after the start of the faults."""
    monotonic = ORIGIN + at
    text = fields.pop("text", "")
    return RunEvent(0, 1.8e9 + monotonic, monotonic, kind, text, **fields)


def edge(
    at: float, *, is_on: bool, fault: int = 1, stack: int = 2, rasp: str | None = None
) -> RunEvent:
    """Return an edge that was recorded a second later."""
    place = {"stack": stack, "rasp": rasp}
    return event(EventKind.EDGE, at + 1, fault=fault, **place, is_on=is_on, after=ORIGIN + at)


def states(*, steady: float = -20.0, end: float = 80.0) -> tuple[list[RunEvent], list[RunEvent]]:
    """Return the events of the states before and after the faults."""
    return (
        [
            event(EventKind.STATE, -90.0, text=RunState.PREPARING),
            event(EventKind.STATE, steady, text=RunState.STEADY),
            event(EventKind.STATE, 0.0, text=RunState.FAULTS),
        ],
        [event(EventKind.STATE, end, text=RunState.DONE)],
    )


POWER_EVENTS = (
    edge(10.0, is_on=False),
    event(EventKind.SILENCE, 10.2, fault=1, stack=2),
    edge(15.01, is_on=True),
    event(EventKind.ANSWER, 45.0, fault=1, stack=2),
)

LOSS = RunVerdict(
    VerdictResult.LOST,
    "12 of 48,210 acknowledged writes, acknowledged at most 0.8 s before stack 02 was cut",
    {"acknowledged": 48_210, "lost": 12, "lost_elements": "5..16", "duplicated": 0},
)


def save_lost_run(store: RunStore) -> Run:
    """Save a run with a power cut, operations and a loss."""
    return _save(store, run_with(POWER_CUT, REBOOT), POWER_EVENTS)


def save_rasp_run(store: RunStore) -> Run:
    """Save a run on 48 rasps with outlets of their own, of which one in each stack was cut."""
    rasps = [(stack, rasp_name(stack, slot)) for stack in range(1, 13) for slot in range(1, 5)]
    cuts = [(stack, rasp_name(stack, 1 + stack % 4)) for stack in range(1, 13)]
    names = tuple(name for _, name in cuts)
    fault = PlannedFault(1, "power", 10.0, tuple(range(1, 13)), names, seconds_off=5.0)
    events = [each for stack, name in cuts for each in _cut_events(stack, name)]
    energy = RunEnergy(
        tuple(
            OutletEnergy(stack, name, None if name == "03-2" else 300.0 + 10 * stack)
            for stack, name in rasps
        )
    )
    run = replace(run_with(fault), energy=energy)
    nodes = tuple(name for _, name in rasps)
    plan = replace(run.plan, nodes=nodes, stacks=tuple(range(1, 13)))
    return _save(store, replace(run, plan=plan), events)


def _cut_events(stack: int, rasp: str) -> tuple[RunEvent, ...]:
    off, on, answer = 10.0 + stack, 15.0 + 2 * stack, 45.0 + stack
    return (
        edge(off, is_on=False, stack=stack, rasp=rasp),
        event(EventKind.SILENCE, off + 0.2, fault=1, stack=stack, rasp=rasp),
        edge(on, is_on=True, stack=stack, rasp=rasp),
        event(EventKind.ANSWER, answer, fault=1, stack=stack, rasp=rasp),
    )


def _save(store: RunStore, run: Run, events: Sequence[RunEvent]) -> Run:
    saved = store.add(replace(run, verdict=LOSS, finished_at=1.8e9 + 170.0))
    before, after = states()
    for number, each in enumerate((*before, *events, *after), 1):
        store.add_event(saved.id, replace(each, number=number))
    rates = [
        Rate(
            1000 + second, 0 if 10 <= second < 20 else 800 + 7 * second % 50, 0, 12 * (second == 10)
        )
        for second in range(-5, 70)
    ]
    store.save_rates(saved.id, rates)
    return saved
