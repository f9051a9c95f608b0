"""Runs of experiments with events and rates, for tests of pages."""

from dataclasses import replace
from typing import Any

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


def edge(at: float, *, is_on: bool, fault: int = 1, stack: int = 2) -> RunEvent:
    """Return an edge that was recorded a second later."""
    return event(EventKind.EDGE, at + 1, fault=fault, stack=stack, is_on=is_on, after=ORIGIN + at)


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
    run = replace(run_with(POWER_CUT, REBOOT), verdict=LOSS, finished_at=1.8e9 + 170.0)
    saved = store.add(run)
    before, after = states()
    for number, each in enumerate((*before, *POWER_EVENTS, *after), 1):
        store.add_event(saved.id, replace(each, number=number))
    rates = [
        Rate(
            1000 + second, 0 if 10 <= second < 20 else 800 + 7 * second % 50, 0, 12 * (second == 10)
        )
        for second in range(-5, 70)
    ]
    store.save_rates(saved.id, rates)
    return saved
