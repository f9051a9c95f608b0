"""Runs of experiments whose faults cut the power of single rasps."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.audit import Audit
from controller.claims import StackClaims
from controller.experiments.model import EventKind, RunState
from controller.outlet_monitor import OutletMonitor
from controller.reservations.service import ReservationService
from controller.reservations.store import QuotaStore, ReservationStore
from rack.database import Database
from tests.controller.experiments.run_lab import RunLab, plan_text
from tests.controller.orders.outlet_lab import OutletLab, running_outlet_lab


@dataclass
class RaspRunLab:
    """Runs on a rack with outlets of rasps."""

    outlets: OutletLab
    runs: RunLab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RaspRunLab]:
    with running_outlet_lab(tmp_path) as outlet_lab:
        database = Database(tmp_path / "pirack.db")
        reservations = ReservationService(
            outlet_lab.rack,
            ReservationStore(database),
            QuotaStore(database),
            StackClaims(),
            Audit(database),
            lambda _: None,
            "boot",
            outlet_lab.outlets.now,
        )
        monitor = OutletMonitor(outlet_lab.rack, outlet_lab.outlets)
        runs = RunLab(outlet_lab.orders, reservations, outlet_lab.state, database, monitor.measure)
        monitor.start()
        runs.experiments.start()
        thread = reservations.make_thread()
        thread.start()
        yield RaspRunLab(outlet_lab, runs)
        runs.close()
        thread.close()
        monitor.close()


def test_run_cuts_the_power_of_one_rasp_and_records_its_edges(lab: RaspRunLab) -> None:
    powered_at = dict(lab.outlets.powered_at)
    fault = 'kind = "power"\npick = "02-1"\nat = "0 s"\noff = "0.5 s"'
    number = lab.runs.start(plan_text(fault, nodes="stacks 1-2"))
    run = lab.runs.wait_for_end(number)
    assert (run.state, run.reason) == (RunState.DONE, "")
    edges = [event for event in lab.runs.events(number, EventKind.EDGE) if event.fault == 1]
    assert [(edge.stack, edge.rasp, edge.is_on, edge.text) for edge in edges] == [
        (2, "02-1", False, "02-1 is off"),
        (2, "02-1", True, "02-1 is on"),
    ]
    [answer] = [each for each in lab.runs.events(number, EventKind.ANSWER) if each.fault == 1]
    assert (answer.rasp, answer.text) == ("02-1", "02-1 answers again")
    cycled = [name for name, at in lab.outlets.powered_at.items() if at != powered_at[name]]
    assert cycled == ["02-1"]


def test_fault_of_a_relay_and_of_a_rasp_cuts_both(lab: RaspRunLab) -> None:
    fault = 'kind = "power"\npick = "02-1 03-1"\nat = "0 s"\noff = "0.5 s"'
    number = lab.runs.start(plan_text(fault, nodes="all"))
    run = lab.runs.wait_for_end(number)
    assert (run.state, run.reason) == (RunState.DONE, "")
    edges = [event for event in lab.runs.events(number, EventKind.EDGE) if event.fault == 1]
    assert sorted((edge.stack, edge.rasp or "", edge.is_on) for edge in edges) == [
        (2, "02-1", False), (2, "02-1", True), (3, "", False), (3, "", True),
    ]  # fmt: skip


def test_outlet_that_cannot_be_switched_aborts_the_run(lab: RaspRunLab) -> None:
    lab.outlets.device.broken = {"3"}
    fault = 'kind = "power"\npick = "02-1"\nat = "0 s"\noff = "0.5 s"'
    run = lab.runs.wait_for_end(lab.runs.start(plan_text(fault, nodes="01-1 02-1")))
    assert run.state is RunState.ABORTED
    assert lab.outlets.device.error_of("3") in run.reason


def test_run_has_the_energy_of_the_outlets_that_measure_it(lab: RaspRunLab) -> None:
    lab.outlets.device.watts = {"1": 3.0, "2": 5.0, "3": 4.0}
    run = lab.runs.wait_for_end(lab.runs.start(plan_text(nodes="01-1 01-2 02-1 02-2 03-1")))
    assert run.energy is not None
    assert [(each.stack, each.rasp, each.joules is None) for each in run.energy.outlets] == [
        (1, "01-1", False), (1, "01-2", False), (2, "02-1", False), (2, "02-2", True),
        (3, None, True),
    ]  # fmt: skip
    first, second, *_ = (each.joules or 0.0 for each in run.energy.outlets)
    assert first > 0
    assert second == pytest.approx(first * 5 / 3)
    assert lab.runs.store.get(run.id).energy == run.energy


def test_rasp_that_is_no_node_keeps_its_power_off(lab: RaspRunLab) -> None:
    lab.outlets.run("power_off", "rasps", 4, force=True)
    fault = 'kind = "power"\npick = "02-1"\nat = "0 s"\noff = "0.5 s"'
    run = lab.runs.wait_for_end(lab.runs.start(plan_text(fault, nodes="02-1")))
    assert (run.state, run.reason) == (RunState.DONE, "")
    assert lab.outlets.without_power == ["02-2"]
