"""Results of installs as `pirack` prints them."""

from io import StringIO
from typing import Any

from rich.console import Console

from cli.install_tables import install_result
from cli.models import ApiInstallation, decode

A, B, C = "b8:27:eb:00:00:0a", "b8:27:eb:00:00:0b", "b8:27:eb:00:00:0c"


def lines_of(**changes: Any) -> list[str]:
    fields: dict[str, Any] = {
        "id": 3, "kind": "install", "state": "done", "outcome": "done", "dry_run": False,
        "stage": "finish", "rasps_missing": 0, "steps": [], "stacks_total": 2,
        "stacks_done": 2, "rasps_total": 4, "rasps_found": 4, "seconds_left": None,
        "found": {}, "missing": {}, "missing_slots": [], "slots": {},
        "slot_evidence": {}, "other_vendor_macs": [], "unplaced": [], "conflicts": {},
        "outlets_to_restore": [], "diff": "", "error": "", "finished_at": 1767225600.0,
    }  # fmt: skip
    output = StringIO()
    console = Console(file=output, width=300)
    console.print(install_result(decode(ApiInstallation, fields | changes)))
    return [" ".join(line.split()) for line in output.getvalue().splitlines()]


def test_found_slots_are_listed_with_their_evidence() -> None:
    lines = lines_of(
        found={"1": [A, B]},
        slots={A: 2, B: 1},
        slot_evidence={A: "outlet", B: "row_and_column"},
    )
    assert lines == [
        "install 3: done",
        "SLOT MAC FOUND BY SWITCHING",
        f"01-1 {B} its row and its column",
        f"01-2 {A} its outlet alone",
    ]


def test_rasps_of_which_only_the_stack_was_found_are_listed_with_the_next_step() -> None:
    lines = lines_of(found={"1": [A], "3": [B, C]}, slots={A: 1}, slot_evidence={A: "outlet"})
    assert lines[3:5] == ["STACK MACS", f"3 {B} {C}"]
    assert lines[-1] == (
        "Only the stack was found of the rasps in stack 3, because they share an outlet: find each"
        " with `pirack identify 3/1`, and correct its slot with `pirack swap 3/1 3/2`."
    )


def test_rasp_that_is_alone_in_its_stack_needs_no_next_step() -> None:
    assert lines_of(found={"1": [A]})[-1] == f"1 {A}"


def test_missing_slots_and_conflicts_are_named() -> None:
    lines = lines_of(
        missing={"1": 1, "2": 2},
        missing_slots=["01-2"],
        conflicts={A: ["01-2"], B: ["01-1", "02"]},
    )
    assert lines[1:] == [
        "stack 1: 1 not found (01-2)",
        "stack 2: 2 not found",
        f"{A}: one of several rasps at the outlet of 01-2",
        f"{B}: may be at any of the outlets of 01-1, 02",
    ]


def test_interrupted_install_names_changed_power_and_how_to_recover() -> None:
    lines = lines_of(
        state="interrupted", finished_at=None, outlets_to_restore=["01-1", "02"], stage=None
    )
    assert lines[1:] == [
        "power changed and not restored: 01-1 02",
        "To recover, run `pirack install --stop` or start a new install.",
    ]
    assert len(lines_of(state="interrupted", outlets_to_restore=[])) == 1


def test_rasps_that_an_install_did_not_look_for_are_not_reported_as_missing() -> None:
    assert len(lines_of(state="stopped", missing={"1": 2}, unplaced=[A])) == 1


def test_headline_names_the_number_of_missing_rasps() -> None:
    assert lines_of(outcome="done, 5 missing", rasps_missing=5)[0] == "install 3: done, 5 missing"
