"""Assignment of slots, names and addresses in first and later installs."""

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
SLOTS = {(slot.stack, slot.number): slot for slot in RACK.slots}


def mac(number: int) -> str:
    return f"b8:27:eb:00:00:{number:02x}"


A, B, C, D, E = map(mac, range(1, 6))


def slot_by_mac(rasps: tuple[Rasp, ...]) -> dict[str, str]:
    return {rasp.mac: rasp.target for rasp in rasps}


def test_new_rasps_fill_the_slots_in_order_of_mac_and_get_the_slot_addresses() -> None:
    assignment = assign(RACK, {3: {C, A, B}, 1: {D}})
    assert slot_by_mac(assignment.rasps) == {D: "1/1", A: "3/1", B: "3/2", C: "3/3"}
    assert [str(rasp.address) for rasp in assignment.rasps] == [
        "10.23.1.1", "10.23.3.1", "10.23.3.2", "10.23.3.3",
    ]  # fmt: skip
    assert assignment.new == {A, B, C, D}
    assert [slot.name for slot in assignment.empty][:4] == ["01-2", "01-3", "01-4", "02-1"]


def test_requested_slots_take_precedence() -> None:
    assignment = assign(RACK, {3: {A, B, C}}, requested_slots={B: 4, C: 1})
    assert slot_by_mac(assignment.rasps) == {C: "3/1", A: "3/2", B: "3/4"}


@pytest.mark.parametrize("requested_slots", [{A: 5}, {A: 1, B: 1}, {A: 0}])
def test_unavailable_requested_slot_is_rejected(requested_slots: dict[str, int]) -> None:
    with pytest.raises(AssignmentError, match=r"slot \d of stack 3 does not exist or is already"):
        assign(RACK, {3: {A, B}}, requested_slots=requested_slots)


def test_rasp_keeps_its_slot_in_a_second_install() -> None:
    previous = assign(RACK, {3: {B, D}}).rasps
    again = assign(RACK, {3: {A, B, C, D}}, previous)
    assert slot_by_mac(again.rasps) == {B: "3/1", D: "3/2", A: "3/3", C: "3/4"}
    assert again.new == {A, C}
    assert again.moved == frozenset()


def test_absent_rasp_keeps_its_slot_if_another_slot_is_free_for_the_new_rasp() -> None:
    previous = assign(RACK, {3: {A, B}}).rasps
    again = assign(RACK, {3: {B, C}}, previous)
    assert slot_by_mac(again.rasps) == {A: "3/1", B: "3/2", C: "3/3"}
    assert again.absent == {A}
    assert again.replaced == frozenset()


def test_new_rasp_in_a_full_stack_replaces_the_absent_rasp() -> None:
    previous = assign(RACK, {3: {A, B, C, D}}).rasps
    again = assign(RACK, {3: {A, C, D, E}}, previous)
    assert slot_by_mac(again.rasps) == {A: "3/1", E: "3/2", C: "3/3", D: "3/4"}
    assert again.replaced == {B}
    assert again.absent == frozenset()


def test_rasp_moved_to_another_stack_gets_a_slot_there() -> None:
    previous = assign(RACK, {3: {A, B}, 4: {C}}).rasps
    again = assign(RACK, {3: {B}, 4: {A, C}}, previous)
    assert slot_by_mac(again.rasps) == {B: "3/2", C: "4/1", A: "4/2"}
    assert again.moved == {A}


def test_rasp_is_removed_if_rack_toml_no_longer_has_its_slot() -> None:
    small = replace(RACK, stacks=RACK.stacks[:2])
    again = assign(small, {1: {A}}, [Rasp(12, 1, B, RACK.slots[-4].address)])
    assert slot_by_mac(again.rasps) == {A: "1/1"}
    assert again.replaced == {B}


def test_more_rasps_than_slots_are_rejected_with_their_macs() -> None:
    with pytest.raises(AssignmentError, match=r"stack 2 has 5 rasps \(b8:.*05\) but only 4 slots"):
        assign(RACK, {2: {A, B, C, D, E}})


def test_rasp_in_two_stacks_is_rejected() -> None:
    with pytest.raises(AssignmentError, match=f"{A} is in stack 2 and in stack 3"):
        assign(RACK, {2: {A}, 3: {A}})


def test_unknown_stack_is_rejected() -> None:
    with pytest.raises(UnknownTargetError, match="no stack 13"):
        assign(RACK, {13: {A}})


DISCOVERED = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), max_size=30).map(
    lambda pairs: {
        stack: {mac(n) for n, s in dict(pairs).items() if s == stack} for stack in range(1, 13)
    }
)


@given(DISCOVERED, DISCOVERED)
def test_slots_and_macs_are_unique_and_a_repeated_install_changes_nothing(
    first: dict[int, set[str]], second: dict[int, set[str]]
) -> None:
    first_found, second_found = (
        {stack: set(sorted(macs)[:4]) for stack, macs in discovered.items()}
        for discovered in (first, second)
    )
    after = assign(RACK, second_found, assign(RACK, first_found).rasps)
    for values in ("mac", "address"):
        assert len({getattr(rasp, values) for rasp in after.rasps}) == len(after.rasps)
    stacks = {rasp.mac: rasp.stack for rasp in after.rasps}
    assert all(stacks[mac] == stack for stack, macs in second_found.items() for mac in macs)
    assert len(after.rasps) + len(after.empty) == len(RACK.slots)
    again = assign(RACK, second_found, after.rasps)
    assert again.rasps == after.rasps
    assert again.new == again.moved == again.replaced == frozenset()


def test_swap_exchanges_slots_and_addresses() -> None:
    rasps = assign(RACK, {3: {A, B}, 4: {C}}).rasps
    swapped = swap(rasps, SLOTS[3, 1], SLOTS[3, 2])
    assert slot_by_mac(swapped) == {B: "3/1", A: "3/2", C: "4/1"}
    assert [str(rasp.address) for rasp in swapped] == ["10.23.3.1", "10.23.3.2", "10.23.4.1"]
    assert swap(swapped, SLOTS[3, 2], SLOTS[3, 1]) == rasps


@pytest.mark.parametrize("slots", [((3, 1), (3, 4)), ((3, 4), (3, 1))])
def test_swap_moves_a_rasp_to_an_empty_slot(slots: tuple[tuple[int, int], tuple[int, int]]) -> None:
    one, other = slots
    rasps = swap(assign(RACK, {3: {A, B}}).rasps, SLOTS[one], SLOTS[other])
    assert slot_by_mac(rasps) == {B: "3/2", A: "3/4"}


@pytest.mark.parametrize(
    ("one", "other", "error"),
    [
        ((3, 1), (4, 1), "slots 03-1 and 04-1 are in different stacks"),
        ((3, 3), (3, 4), "slots 03-3 and 03-4 are empty"),
    ],
)
def test_invalid_swap_is_rejected(one: tuple[int, int], other: tuple[int, int], error: str) -> None:
    with pytest.raises(AssignmentError, match=error):
        swap(assign(RACK, {3: {A, B}}).rasps, SLOTS[one], SLOTS[other])
