"""Placement of rasps from the evidence of cuts."""

from collections.abc import Collection, Iterable
from itertools import product
from typing import Any

from dhcp_installer import SlotEvidence
from dhcp_installer.discovery.placement import Placement, RaspEvidence
from rack.layout import Outlet
from tests.dhcp_installer.outlets import rasp_counts, slot_outlet, stack_outlet

A, B, C, D = (f"b8:27:eb:00:00:0{number}" for number in range(4))


def rasp(
    *agreed: int, excluded: set[int] | None = None, cuts: int = 1, **changes: Any
) -> RaspEvidence:
    """Return the evidence about a rasp that agreed with `cuts` cuts of each of these stacks."""
    values = {"accident_seconds": 4.0, "seconds": 150.0, "silence_count": cuts * len(agreed)}
    evidence = RaspEvidence(excluded=set(map(stack_outlet, excluded or ())), **(values | changes))
    for stack in agreed:
        for _ in range(cuts):
            evidence.add_silence((stack_outlet(stack),), has_rebooted=True)
    return evidence


class StackPlacement:
    """A placement in stacks with one outlet each, by their numbers."""

    def __init__(self, slot_counts: dict[int, int], rasps: dict[str, RaspEvidence]) -> None:
        self.placement = Placement(rasp_counts(slot_counts), rasps)
        self.placed = self.placement.placed

    @property
    def stacks(self) -> dict[int, frozenset[str]]:
        return {outlet.stack: macs for outlet, macs in self.placement.outlets.items()}

    @property
    def conflicts(self) -> dict[str, set[int]]:
        return {mac: stacks_of(outlets) for mac, outlets in self.placement.conflicts.items()}

    def stacks_to_cut(self, mac: str) -> set[int]:
        return stacks_of(self.placement.outlets_to_cut(mac))


def stacks_of(outlets: Iterable[Outlet]) -> set[int]:
    return {outlet.stack for outlet in outlets}


def test_one_cut_places_the_rasps_of_a_complete_rack() -> None:
    placement = StackPlacement({1: 1, 2: 1}, {A: rasp(1), B: rasp(2)})
    assert placement.stacks == {1: {A}, 2: {B}}


def test_rasp_that_replies_in_all_cuts_is_not_placed() -> None:
    rasps = {A: rasp(1), B: rasp(2), C: rasp(excluded={1, 2})}
    placement = StackPlacement({1: 1, 2: 1}, rasps)
    assert placement.stacks == {1: {A}, 2: {B}}
    assert placement.stacks_to_cut(C) == set()


def test_rasp_that_agreed_with_cuts_of_two_stacks_is_a_conflict() -> None:
    placement = StackPlacement({1: 1, 2: 1}, {A: rasp(1, 2), B: rasp(2)})
    assert placement.conflicts == {A: {1, 2}}
    assert A not in placement.placed
    assert placement.stacks_to_cut(A) == {1, 2}


def test_rasp_that_an_incomplete_stack_may_contain_is_not_placed_until_it_is_excluded() -> None:
    slot_counts = {1: 1, 2: 2}
    placement = StackPlacement(slot_counts, {A: rasp(1), B: rasp(2, excluded={1}, cuts=2)})
    assert placement.stacks == {1: set(), 2: {B}}
    assert placement.stacks_to_cut(A) == {2}
    rasps = {A: rasp(1, excluded={2}), B: rasp(2, excluded={1}, cuts=2)}
    assert StackPlacement(slot_counts, rasps).stacks == {1: {A}, 2: {B}}


def test_rasp_of_an_incomplete_stack_agrees_with_two_cuts() -> None:
    assert StackPlacement({1: 2}, {A: rasp(1)}).stacks == {1: set()}
    assert StackPlacement({1: 2}, {A: rasp(1, cuts=2)}).stacks == {1: {A}}


def test_rasps_agree_with_two_cuts_if_a_stack_is_empty() -> None:
    """The relay of the empty stack may be stuck."""
    slot_counts = {1: 1, 2: 1}
    placement = StackPlacement(slot_counts, {A: rasp(1, excluded={2})})
    assert placement.stacks == {1: set(), 2: set()}
    assert placement.stacks_to_cut(A) == {1}
    placement = StackPlacement(slot_counts, {A: rasp(1, excluded={2}, cuts=2)})
    assert placement.stacks == {1: {A}, 2: set()}


def test_rasp_with_unexplained_silences_agrees_with_more_cuts() -> None:
    slot_counts = {1: 1, 2: 1}
    for cuts, is_placed in {2: False, 3: False, 5: True}.items():
        evidence = rasp(1, excluded={2}, cuts=cuts, silence_count=cuts + 2)
        assert StackPlacement(slot_counts, {A: evidence}).stacks[1] == ({A} if is_placed else set())


def test_more_rasps_than_slots_agree_with_more_cuts() -> None:
    slot_counts = {1: 1, 2: 1}
    other = rasp(2, excluded={1})
    placement = StackPlacement(
        slot_counts, {A: rasp(1, excluded={2}), B: rasp(1, excluded={2}), C: other}
    )
    assert placement.stacks[1] == set()
    assert placement.stacks_to_cut(A) == {1}
    faulty = rasp(1, excluded={2}, silence_count=5)
    placement = StackPlacement(slot_counts, {A: faulty, B: rasp(1, excluded={2}, cuts=2), C: other})
    assert placement.stacks[1] == {B}


def test_two_rasps_that_may_be_exchanged_are_not_placed_until_one_is_excluded() -> None:
    """Both may have rebooted by accident in the cut of the other stack."""
    slot_counts = {1: 1, 2: 1}
    unsteady = rasp(2, silence_count=2)
    placement = StackPlacement(slot_counts, {A: rasp(1), B: unsteady})
    assert placement.stacks == {1: set(), 2: set()}
    assert placement.stacks_to_cut(A) == {2}
    assert placement.stacks_to_cut(B) == {1}
    placement = StackPlacement(slot_counts, {A: rasp(1, excluded={2}), B: unsteady})
    assert placement.stacks == {1: {A}, 2: {B}}


def test_flapping_rasp_is_excluded() -> None:
    """It replied again without a DHCP message."""
    evidence = rasp()
    evidence.add_silence((stack_outlet(1),), has_rebooted=False)
    assert StackPlacement({1: 1}, {A: evidence}).stacks == {1: set()}


def test_reboot_that_is_not_observed_yet_completes_a_stack_only() -> None:
    evidence = rasp()
    evidence.add_silence((stack_outlet(1),), has_rebooted=None)
    assert StackPlacement({1: 1}, {A: evidence}).stacks == {1: {A}}
    assert StackPlacement({1: 2}, {A: evidence}).stacks == {1: set()}


def test_rasp_without_evidence_is_searched_in_incomplete_stacks_first() -> None:
    rasps = {A: rasp(1), B: rasp(2), C: rasp(3), D: rasp()}
    assert StackPlacement({1: 1, 2: 2, 3: 1}, rasps).stacks_to_cut(D) == {2}
    assert StackPlacement({1: 1, 2: 1, 3: 1}, rasps).stacks_to_cut(D) == {1, 2, 3}


def slotted_rasp(
    *cuts: Collection[Outlet], excluded: Collection[Outlet] = (), **changes: Any
) -> RaspEvidence:
    """Return the evidence about a rasp that agreed with these cuts of outlets of single slots."""
    values = {"accident_seconds": 4.0, "seconds": 150.0, "silence_count": len(cuts)}
    evidence = RaspEvidence(excluded=set(excluded), **(values | changes))
    for cut in cuts:
        evidence.add_silence(tuple(cut), has_rebooted=True)
    return evidence


ONE, TWO, THREE, FOUR = (slot_outlet(1, slot) for slot in range(1, 5))
FIRST_ROW, SECOND_ROW = (ONE, TWO), (THREE, FOUR)
FIRST_COLUMN, SECOND_COLUMN = (ONE, THREE), (TWO, FOUR)
OWN_OUTLETS = dict.fromkeys((ONE, TWO, THREE, FOUR), 1)


def full_rack(**changes: RaspEvidence) -> dict[str, RaspEvidence]:
    """Return the evidence about four rasps, one at each outlet."""
    rasps = {
        "A": slotted_rasp(FIRST_ROW, FIRST_COLUMN),
        "B": slotted_rasp(FIRST_ROW, SECOND_COLUMN),
        "C": slotted_rasp(SECOND_ROW, FIRST_COLUMN),
        "D": slotted_rasp(SECOND_ROW, SECOND_COLUMN),
    }
    return rasps | changes


def test_rasp_is_in_the_slot_that_its_row_and_its_column_have_in_common() -> None:
    placement = Placement(OWN_OUTLETS, full_rack())
    assert placement.outlets == {ONE: {"A"}, TWO: {"B"}, THREE: {"C"}, FOUR: {"D"}}


def test_rasp_that_agreed_with_its_row_only_has_no_slot_until_its_outlet_is_cut_alone() -> None:
    rasps = full_rack(A=slotted_rasp(FIRST_ROW, excluded=SECOND_ROW))
    placement = Placement(OWN_OUTLETS, rasps)
    assert "A" not in placement.placed
    assert placement.outlets_to_cut("A") == {ONE}
    rasps["A"].add_silence((ONE,), has_rebooted=True)
    rasps["A"].silence_count += 1
    rasps["A"].excluded.add(TWO)
    placement = Placement(OWN_OUTLETS, rasps)
    assert "A" in placement.placed
    groups = SlotEvidence.ROW_AND_COLUMN
    assert placement.slot_evidence == {
        "A": SlotEvidence.OUTLET, "B": groups, "C": groups, "D": groups,
    }  # fmt: skip


def test_rasp_that_agreed_with_two_rows_is_a_conflict_until_it_is_excluded_from_one() -> None:
    two_rows = slotted_rasp(FIRST_ROW, SECOND_ROW, FIRST_COLUMN)
    placement = Placement(OWN_OUTLETS, full_rack(A=two_rows))
    assert placement.conflicts == {"A": {ONE, THREE}}
    assert placement.outlets_to_cut("A") == {ONE, THREE}
    two_rows.excluded.add(THREE)
    assert Placement(OWN_OUTLETS, full_rack(A=two_rows)).conflicts == {}


def test_two_rasps_in_one_slot_are_conflicts_and_not_placed() -> None:
    rasps = full_rack(E=slotted_rasp(FIRST_ROW, FIRST_COLUMN))
    for mac in ("B", "C", "D"):
        rasps[mac].excluded.add(ONE)
    placement = Placement(OWN_OUTLETS, rasps)
    assert placement.conflicts == {"A": {ONE}, "E": {ONE}}
    assert placement.placed == {"B", "C", "D"}


def test_rasp_that_may_be_in_the_slot_of_a_missing_rasp_is_not_placed() -> None:
    rasps = full_rack()
    del rasps["D"]
    rasps["C"] = slotted_rasp(SECOND_ROW, FIRST_COLUMN, seconds=40.0)
    placement = Placement(OWN_OUTLETS, rasps)
    assert "C" not in placement.placed
    assert FOUR in placement.outlets_to_cut("C")


def test_cut_of_a_group_with_an_alternative_does_not_count_as_evidence_against_it() -> None:
    """A rasp of the second row rebooted by accident in the cut of the first row."""
    rasps = full_rack()
    del rasps["A"]
    rasps["C"] = slotted_rasp(FIRST_ROW, FIRST_COLUMN, seconds=3000.0)
    placement = Placement(OWN_OUTLETS, rasps)
    assert "C" not in placement.placed
    assert placement.outlets_to_cut("C") == {ONE, THREE}
    rasps["C"].add_silence((THREE,), has_rebooted=True)
    rasps["C"].excluded.add(ONE)
    assert Placement(OWN_OUTLETS, rasps).outlets[THREE] == {"C"}


def test_reboot_that_is_not_observed_yet_suffices_only_if_no_rasp_is_missing() -> None:
    rasps = {
        mac: RaspEvidence(4.0, 150.0, 2, excluded=set(OWN_OUTLETS) - {outlet})
        for mac, outlet in zip("ABCD", OWN_OUTLETS, strict=True)
    }
    groups = product((FIRST_ROW, SECOND_ROW), (FIRST_COLUMN, SECOND_COLUMN))
    for evidence, (row, column) in zip(rasps.values(), groups, strict=True):
        evidence.add_silence(row, has_rebooted=None)
        evidence.add_silence(column, has_rebooted=None)
    assert Placement(OWN_OUTLETS, rasps).placed == set("ABCD")
    del rasps["D"]
    assert Placement(OWN_OUTLETS, rasps).placed == frozenset()
