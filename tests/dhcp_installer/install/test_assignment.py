"""Who gets which slot, name and address: on a first install, and on a second one."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhcp_installer.errors import AssignmentError
from dhcp_installer.install.assignment import assign, swap
from rack.errors import UnknownTargetError
from rack.inventory import Rasp
from rack.layout_file import load

RACK = load(Path("rack.toml"))


def mac(number: int) -> str:
    return f"b8:27:eb:00:00:{number:02x}"


A, B, C, D, E = map(mac, range(1, 6))


def slot_by_mac(rasps: tuple[Rasp, ...]) -> dict[str, str]:
    return {rasp.mac: f"{rasp.stack}/{rasp.slot}" for rasp in rasps}


def test_new_rasps_fill_the_slots_in_order_of_mac_with_the_planned_addresses() -> None:
    assignment = assign(RACK, {3: {C, A, B}, 1: {D}})
    assert slot_by_mac(assignment.rasps) == {D: "1/1", A: "3/1", B: "3/2", C: "3/3"}
    assert [str(rasp.address) for rasp in assignment.rasps] == [
        "10.23.1.1", "10.23.3.1", "10.23.3.2", "10.23.3.3",
    ]  # fmt: skip
    assert assignment.new == {A, B, C, D}
    assert [slot.name for slot in assignment.empty][:4] == ["01-2", "01-3", "01-4", "02-1"]


def test_people_may_choose_the_slots() -> None:
    assignment = assign(RACK, {3: {A, B, C}}, requested_slots={B: 4, C: 1})
    assert slot_by_mac(assignment.rasps) == {C: "3/1", A: "3/2", B: "3/4"}


@pytest.mark.parametrize("wanted", [{A: 5}, {A: 1, B: 1}, {A: 0}])
def test_a_slot_that_cannot_be_had_is_refused(wanted: dict[str, int]) -> None:
    with pytest.raises(AssignmentError, match="wanted in slot 3/"):
        assign(RACK, {3: {A, B}}, requested_slots=wanted)


def test_a_rasp_keeps_its_slot_on_a_second_install() -> None:
    before = assign(RACK, {3: {B, D}}).rasps
    again = assign(RACK, {3: {A, B, C, D}}, before)
    assert slot_by_mac(again.rasps) == {B: "3/1", D: "3/2", A: "3/3", C: "3/4"}
    assert again.new == {A, C}
    assert again.moved == frozenset()


def test_a_rasp_that_is_away_keeps_its_slot_while_there_is_another_for_the_new_one() -> None:
    before = assign(RACK, {3: {A, B}}).rasps
    again = assign(RACK, {3: {B, C}}, before)
    assert slot_by_mac(again.rasps) == {A: "3/1", B: "3/2", C: "3/3"}
    assert again.absent == {A}
    assert again.replaced == frozenset()


def test_a_new_rasp_in_a_full_stack_takes_the_place_of_the_one_that_is_away() -> None:
    before = assign(RACK, {3: {A, B, C, D}}).rasps
    again = assign(RACK, {3: {A, C, D, E}}, before)
    assert slot_by_mac(again.rasps) == {A: "3/1", E: "3/2", C: "3/3", D: "3/4"}
    assert again.replaced == {B}
    assert again.absent == frozenset()


def test_a_rasp_that_was_carried_to_another_stack_gets_a_slot_there() -> None:
    before = assign(RACK, {3: {A, B}, 4: {C}}).rasps
    again = assign(RACK, {3: {B}, 4: {A, C}}, before)
    assert slot_by_mac(again.rasps) == {B: "3/2", C: "4/1", A: "4/2"}
    assert again.moved == {A}


def test_a_rasp_whose_slot_rack_toml_no_longer_has_is_forgotten() -> None:
    small = replace(RACK, stacks=RACK.stacks[:2])
    again = assign(small, {1: {A}}, [Rasp(12, 1, B, RACK.slots[-4].address)])
    assert slot_by_mac(again.rasps) == {A: "1/1"}
    assert again.replaced == {B}


def test_more_rasps_than_slots_are_refused_with_their_names() -> None:
    with pytest.raises(AssignmentError, match=r"stack 2 has 5 rasps \(b8:.*05\) and 4 slots"):
        assign(RACK, {2: {A, B, C, D, E}})


def test_a_rasp_in_two_stacks_is_refused() -> None:
    with pytest.raises(AssignmentError, match=f"{A} is in stack 2 and in stack 3"):
        assign(RACK, {2: {A}, 3: {A}})


def test_a_stack_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownTargetError, match="no stack 13"):
        assign(RACK, {13: {A}})


FOUND = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), max_size=30).map(
    lambda pairs: {
        stack: {mac(n) for n, s in dict(pairs).items() if s == stack} for stack in range(1, 13)
    }
)


@given(FOUND, FOUND)
def test_each_place_and_mac_is_given_once_and_a_third_install_changes_nothing(
    first: dict[int, set[str]], second: dict[int, set[str]]
) -> None:
    found = [
        {stack: set(sorted(macs)[:4]) for stack, macs in each.items()} for each in (first, second)
    ]
    before = assign(RACK, found[0]).rasps
    after = assign(RACK, found[1], before)
    for values in ("mac", "address"):
        assert len({getattr(rasp, values) for rasp in after.rasps}) == len(after.rasps)
    stacks = {rasp.mac: rasp.stack for rasp in after.rasps}
    assert all(stacks[each] == stack for stack, macs in found[1].items() for each in macs)
    assert len(after.rasps) + len(after.empty) == len(RACK.slots)
    again = assign(RACK, found[1], after.rasps)
    assert again.rasps == after.rasps
    assert again.new == again.moved == again.replaced == frozenset()


def test_two_rasps_change_places_and_addresses() -> None:
    rasps = assign(RACK, {3: {A, B}, 4: {C}}).rasps
    swapped = swap(RACK, rasps, (3, 1), (3, 2))
    assert slot_by_mac(swapped) == {B: "3/1", A: "3/2", C: "4/1"}
    assert [str(rasp.address) for rasp in swapped] == ["10.23.3.1", "10.23.3.2", "10.23.4.1"]
    assert swap(RACK, swapped, (3, 2), (3, 1)) == rasps


@pytest.mark.parametrize("slots", [((3, 1), (3, 4)), ((3, 4), (3, 1))])
def test_a_rasp_moves_to_an_empty_slot(slots: tuple[tuple[int, int], tuple[int, int]]) -> None:
    assert slot_by_mac(swap(RACK, assign(RACK, {3: {A, B}}).rasps, *slots)) == {B: "3/2", A: "3/4"}


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ((3, 1), (4, 1), "in two stacks"),
        ((3, 1), (3, 5), "no slot 3/5: stack 3 has slots 1 to 4"),
        ((3, 3), (3, 4), "no rasp in slot 3/3, nor in 3/4"),
    ],
)
def test_a_swap_that_cannot_be_is_refused(
    one: tuple[int, int], other: tuple[int, int], why: str
) -> None:
    with pytest.raises(AssignmentError, match=why):
        swap(RACK, assign(RACK, {3: {A, B}}).rasps, one, other)
