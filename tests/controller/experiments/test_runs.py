"""Runs of experiments from their start to their verdict."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.auth.access_control import AccessControl
from controller.errors import RunConflictError
from controller.experiments.client_link import ClientAnswer
from controller.experiments.model import (
    EventKind,
    ExperimentRequest,
    RunState,
    RunVerdict,
    VerdictResult,
)
from tests.controller.experiments.run_lab import RunLab, plan_text, running_lab
from tests.controller.fakes import FakeRackState

pytestmark = pytest.mark.slow

POWER_OF_1 = 'kind = "power"\npick = "01"\nat = "0 s"\noff = "1 s"'
ALL_STATES = ["preparing", "steady", "faults", "recovery", "checking", "done"]


@pytest.fixture
def lab(tmp_path: Path, access: AccessControl, rack_state: FakeRackState) -> Iterator[RunLab]:
    with running_lab(tmp_path, access, rack_state) as lab:
        yield lab


def test_run_cuts_the_power_as_planned_and_ends_with_the_verdict_of_its_client(
    lab: RunLab,
) -> None:
    both = 'kind = "power"\npick = "all"\nat = "0 s"\noff = "1 s"'
    number = lab.start(plan_text(both))
    run = lab.wait_for_end(number)
    assert (run.state, run.reason) == (RunState.DONE, "")
    assert run.verdict is not None
    assert run.verdict.result is VerdictResult.OK
    assert [state for state in lab.states(number) if state in ALL_STATES] == ALL_STATES
    edges = [event for event in lab.events(number, EventKind.EDGE) if event.fault == 1]
    assert [(edge.stack, edge.is_on) for edge in edges] == [
        (1, False), (2, False), (1, True), (2, True),
    ]  # fmt: skip
    assert run.faults_started_at is not None
    for stack in (1, 2):
        off, on = (edge for edge in edges if edge.stack == stack)
        assert off.before is not None
        assert on.after is not None
        assert off.planned is not None
        assert on.after - off.before == pytest.approx(1.0, abs=0.5)
    assert lab.is_on(1)
    assert lab.is_on(2)


def test_faults_of_a_run_are_audited_orders_of_the_run(lab: RunLab) -> None:
    number = lab.start(plan_text(POWER_OF_1))
    lab.wait_for_end(number)
    orders = [
        order for order in lab.orders.list_recent(10) if order.actor == f"experiment {number}"
    ]
    assert "power_cycle" in {order.request.action for order in orders}


def test_run_never_refuses_its_own_overlapping_faults(lab: RunLab) -> None:
    number = lab.start(
        plan_text(
            'kind = "power"\npick = "01"\nat = "0 s"\noff = "2 s"',
            'kind = "power"\npick = "02"\nat = "1 s"\noff = "2 s"',
            'kind = "power"\npick = "01"\nat = "3 s"\noff = "1 s"',
        )
    )
    run = lab.wait_for_end(number)
    assert (run.state, run.reason) == (RunState.DONE, "")
    edges = lab.events(number, EventKind.EDGE)
    assert [edge.fault for edge in edges if edge.is_on is False] == [1, 2, 3]


def test_place_is_resolved_by_the_client_recorded_and_replayed(lab: RunLab) -> None:
    text = plan_text(
        'kind = "power"\npick = "leader"\nat = "0 s"\noff = "1 s"',
        extra='[place.leader]\ncommand = "./leader {nodes}"',
    )
    asked: list[str] = []

    def answer(request: object) -> ClientAnswer:
        asked.append(request.name)  # type: ignore[attr-defined]
        return ClientAnswer(request.id, nodes=("02-1",))  # type: ignore[attr-defined]

    lab.answer = answer
    run = lab.wait_for_end(lab.start(text))
    assert (run.state, run.reason) == (RunState.DONE, "")
    assert set(asked) == {"leader"}
    [fault] = run.plan.faults
    assert fault.stacks == (2,)
    [place] = lab.events(run.id, EventKind.PLACE)
    assert (place.fault, "02-1" in place.text) == (1, True)

    asked.clear()
    replay = lab.wait_for_end(lab.start_request(ExperimentRequest("", "", 0, replay_of=run.id)))
    assert (replay.state, replay.reason, asked) == (RunState.DONE, "", [])
    assert replay.plan == run.plan
    assert replay.replay_of == run.id


def test_lease_and_second_verdict_of_a_run_that_has_ended_change_nothing(lab: RunLab) -> None:
    run = lab.wait_for_end(lab.start(plan_text()))
    header, requests = lab.experiments.renew(run.id, [], [])
    assert (header.state, requests) == (RunState.DONE, [])
    with pytest.raises(RunConflictError, match="send a verdict while it is checking"):
        lab.experiments.take_verdict(run.id, RunVerdict(VerdictResult.LOST))
    assert lab.experiments.get(run.id).verdict == run.verdict


def test_second_run_on_the_stacks_of_a_run_is_refused(lab: RunLab) -> None:
    number = lab.start(plan_text(POWER_OF_1))
    with pytest.raises(RunConflictError, match=f"run {number}"):
        lab.start(plan_text(POWER_OF_1))
    other = lab.start(plan_text(nodes="stacks 3-4"))
    assert lab.wait_for_end(other).state is RunState.DONE
    assert lab.wait_for_end(number).state is RunState.DONE


def test_stacks_without_power_are_switched_on_before_the_start(lab: RunLab) -> None:
    lab.orders._context.outlets.switch({lab.orders.rack.outlet(2): False})
    lab.wait_for_end(lab.start(plan_text()))
    assert lab.is_on(2)


def test_start_of_a_controller_marks_unfinished_runs_as_interrupted(lab: RunLab) -> None:
    number = lab.start(plan_text(POWER_OF_1))
    lab.wait_for(number, RunState.FAULTS)
    lab.is_client_alive = False
    [run] = lab.store.mark_interrupted(1.0)
    assert (run.id, run.state) == (number, RunState.INTERRUPTED)


def test_close_of_the_controller_returns_the_power(lab: RunLab) -> None:
    number = lab.start(plan_text('kind = "power"\npick = "01"\nat = "0 s"\noff = "60 s"'))
    lab.wait_for_cut(1)
    lab.experiments.close()
    run = lab.experiments.get(number)
    assert (run.state, run.reason) == (RunState.ABORTED, "the controller is stopping")
    assert lab.is_on(1)
