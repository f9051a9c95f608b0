"""Placement of rasps from the evidence of cuts."""

from typing import Any

from dhcp_installer.discovery.placement import Placement, RaspEvidence

A, B, C, D = (f"b8:27:eb:00:00:0{number}" for number in range(4))


def rasp(
    *agreed: int, excluded: set[int] | None = None, cuts: int = 1, **changes: Any
) -> RaspEvidence:
    """Return the evidence about a rasp that agreed with `cuts` cuts of each of these stacks."""
    counts = dict.fromkeys(agreed, cuts)
    values = {"accident_seconds": 4.0, "seconds": 150.0, "silence_count": cuts * len(agreed)}
    return RaspEvidence(
        excluded=excluded or set(), agreed=counts, rebooted=counts.copy(), **(values | changes)
    )


def test_one_cut_places_the_rasps_of_a_complete_rack() -> None:
    placement = Placement({1: 1, 2: 1}, {A: rasp(1), B: rasp(2)})
    assert placement.stacks == {1: {A}, 2: {B}}


def test_rasp_that_replies_in_all_cuts_is_not_placed() -> None:
    rasps = {A: rasp(1), B: rasp(2), C: rasp(excluded={1, 2})}
    placement = Placement({1: 1, 2: 1}, rasps)
    assert placement.stacks == {1: {A}, 2: {B}}
    assert placement.stacks_to_cut(C) == set()


def test_rasp_that_agreed_with_cuts_of_two_stacks_is_a_conflict() -> None:
    placement = Placement({1: 1, 2: 1}, {A: rasp(1, 2), B: rasp(2)})
    assert placement.conflicts == {A: {1, 2}}
    assert A not in placement.placed
    assert placement.stacks_to_cut(A) == {1, 2}


def test_rasp_that_an_incomplete_stack_may_contain_is_not_placed_until_it_is_excluded() -> None:
    slot_counts = {1: 1, 2: 2}
    placement = Placement(slot_counts, {A: rasp(1), B: rasp(2, excluded={1}, cuts=2)})
    assert placement.stacks == {1: set(), 2: {B}}
    assert placement.stacks_to_cut(A) == {2}
    rasps = {A: rasp(1, excluded={2}), B: rasp(2, excluded={1}, cuts=2)}
    assert Placement(slot_counts, rasps).stacks == {1: {A}, 2: {B}}


def test_rasp_of_an_incomplete_stack_agrees_with_two_cuts() -> None:
    assert Placement({1: 2}, {A: rasp(1)}).stacks == {1: set()}
    assert Placement({1: 2}, {A: rasp(1, cuts=2)}).stacks == {1: {A}}


def test_rasps_agree_with_two_cuts_if_a_stack_is_empty() -> None:
    """The relay of the empty stack may be stuck."""
    slot_counts = {1: 1, 2: 1}
    placement = Placement(slot_counts, {A: rasp(1, excluded={2})})
    assert placement.stacks == {1: set(), 2: set()}
    assert placement.stacks_to_cut(A) == {1}
    placement = Placement(slot_counts, {A: rasp(1, excluded={2}, cuts=2)})
    assert placement.stacks == {1: {A}, 2: set()}


def test_rasp_with_unexplained_silences_agrees_with_more_cuts() -> None:
    slot_counts = {1: 1, 2: 1}
    for cuts, is_placed in {2: False, 3: False, 5: True}.items():
        evidence = rasp(1, excluded={2}, cuts=cuts, silence_count=cuts + 2)
        assert Placement(slot_counts, {A: evidence}).stacks[1] == ({A} if is_placed else set())


def test_more_rasps_than_slots_agree_with_more_cuts() -> None:
    slot_counts = {1: 1, 2: 1}
    other = rasp(2, excluded={1})
    placement = Placement(
        slot_counts, {A: rasp(1, excluded={2}), B: rasp(1, excluded={2}), C: other}
    )
    assert placement.stacks[1] == set()
    assert placement.stacks_to_cut(A) == {1}
    faulty = rasp(1, excluded={2}, silence_count=5)
    placement = Placement(slot_counts, {A: faulty, B: rasp(1, excluded={2}, cuts=2), C: other})
    assert placement.stacks[1] == {B}


def test_two_rasps_that_may_be_exchanged_are_not_placed_until_one_is_excluded() -> None:
    """Both may have rebooted by accident in the cut of the other stack."""
    slot_counts = {1: 1, 2: 1}
    unsteady = rasp(2, silence_count=2)
    placement = Placement(slot_counts, {A: rasp(1), B: unsteady})
    assert placement.stacks == {1: set(), 2: set()}
    assert placement.stacks_to_cut(A) == {2}
    assert placement.stacks_to_cut(B) == {1}
    placement = Placement(slot_counts, {A: rasp(1, excluded={2}), B: unsteady})
    assert placement.stacks == {1: {A}, 2: {B}}


def test_flapping_rasp_is_excluded() -> None:
    """It replied again without a DHCP message."""
    evidence = rasp()
    evidence.add_silence(1, has_rebooted=False)
    assert Placement({1: 1}, {A: evidence}).stacks == {1: set()}


def test_reboot_that_is_not_observed_yet_completes_a_stack_only() -> None:
    evidence = rasp()
    evidence.add_silence(1, has_rebooted=None)
    assert Placement({1: 1}, {A: evidence}).stacks == {1: {A}}
    assert Placement({1: 2}, {A: evidence}).stacks == {1: set()}


def test_rasp_without_evidence_is_searched_in_incomplete_stacks_first() -> None:
    rasps = {A: rasp(1), B: rasp(2), C: rasp(3), D: rasp()}
    assert Placement({1: 1, 2: 2, 3: 1}, rasps).stacks_to_cut(D) == {2}
    assert Placement({1: 1, 2: 1, 3: 1}, rasps).stacks_to_cut(D) == {1, 2, 3}
