"""Tests of two runs side by side."""

from pathlib import Path
from typing import Any

from cli.experiments.comparison import Difference, compare
from cli.experiments.record_reader import Record, read
from tests.cli.experiments import records


def record(folder: Path, start: float, cut: float, on: float, **changes: Any) -> Record:
    """Return a record with a fault, of a controller whose clock is at `start` at the faults."""
    events = [
        records.event("state", start - 4, text="steady"),
        records.event("state", start, text="faults"),
        records.event("edge", start + cut + 9, fault=1, stack=4, is_on=False, after=start + cut),
        records.event("silence", start + cut + 0.25, fault=1, stack=4),
        records.event("edge", start + on, fault=1, stack=4, is_on=True, after=start + on),
        records.event("answer", start + on + 20, fault=1, stack=4),
        records.event("order", start + on, fault=1, text="order 9"),
        records.event("state", start + 60, text="done"),
    ]
    return read(records.write_record(folder, records.run(**changes), events))


def by_name(differences: list[Difference]) -> dict[tuple[str, str], Difference]:
    return {(difference.section, difference.name): difference for difference in differences}


def test_same_run_does_not_differ(tmp_path: Path) -> None:
    run = record(tmp_path / "a", 100.0, 20.5, 22.75)
    assert not [difference for difference in compare(run, run) if difference.differs]
    assert {difference.section for difference in compare(run, run)} == {
        "result",
        "plan",
        "environment",
        "times",
    }


def test_times_are_relative_to_the_start_of_the_faults(tmp_path: Path) -> None:
    first = record(tmp_path / "a", 100.0, 20.5, 22.75)
    second = record(tmp_path / "b", 9_000.0, 20.6, 22.75)
    times = by_name(compare(first, second))
    assert times["times", "fault 1, stack 04 off"] == Difference(
        "times", "fault 1, stack 04 off", "20.500", "20.600", "+0.100"
    )
    assert times["times", "fault 1, stack 04 without power"].first == "2.250"
    assert times["times", "fault 1, stack 04 without power"].change == "-0.100"
    assert times["times", "fault 1, silence of stack 04"].first == "20.750"
    assert times["times", "state steady"].first == "-4.000"
    assert not times["times", "fault 1, answer of stack 04"].differs


def test_results_and_their_numbers_are_compared(tmp_path: Path) -> None:
    verdict = {"result": "ok", "summary": "none lost", "statistics": {"lost": 0, "late": 1.5}}
    first = record(tmp_path / "a", 100.0, 20.5, 22.75)
    second = record(tmp_path / "b", 100.0, 20.5, 22.75, verdict=verdict)
    result = by_name(compare(first, second))
    assert result["result", "result"] == Difference("result", "result", "lost", "ok")
    assert result["result", "lost"] == Difference("result", "lost", "12", "0", "-12")
    assert result["result", "acknowledged"] == Difference("result", "acknowledged", "48,210", "-")
    assert result["result", "late"].second == "1.500"


def test_plan_and_environment_are_compared(tmp_path: Path) -> None:
    plan = records.run()["plan"] | {"faults": [records.fault(at=21.0), records.fault(number=2)]}
    first = record(tmp_path / "a", 100.0, 20.5, 22.75)
    second = record(tmp_path / "b", 100.0, 20.5, 22.75, plan=plan, versions={"pirack": "0.2.0"})
    values = by_name(compare(first, second))
    assert values["plan", "fault 1"] == Difference(
        "plan",
        "fault 1",
        "power 04-1 at 20.500 s, off 2.250 s",
        "power 04-1 at 21.000 s, off 2.250 s",
    )
    assert values["plan", "fault 2"].first == "-"
    assert values["environment", "pirack"].second == "0.2.0"
    assert values["environment", "prometheus"].second == "-"


def test_run_that_did_not_reach_its_faults_has_no_times(tmp_path: Path) -> None:
    events = [records.event("state", 5.0, text="steady"), records.event("abort", 6.0)]
    first = read(records.write_record(tmp_path / "a", events=events))
    second = record(tmp_path / "b", 100.0, 20.5, 22.75)
    times = by_name(compare(first, second))
    assert times["times", "state faults"] == Difference("times", "state faults", "-", "0.000")


def test_energy_is_compared_as_far_as_it_was_measured(tmp_path: Path) -> None:
    first = record(tmp_path / "a", 100.0, 20.5, 22.75, energy=records.energy())
    second = record(tmp_path / "b", 100.0, 20.5, 22.75, energy=records.energy(first=None))
    energy = by_name(compare(first, second))
    assert (energy["energy", "run"].first, energy["energy", "run"].second) == ("990.000", "-")
    assert energy["energy", "stack 01"].second == "-"
    assert not energy["energy", "02-1"].differs
