"""Groups of outlets that are switched together."""

import pytest

from dhcp_installer.discovery.groups import batches, rows_and_columns
from tests.dhcp_installer.outlets import slot_outlet, stack_outlet


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10, 47, 48, 49, 200])
def test_each_outlet_is_the_only_one_in_both_its_row_and_its_column(count: int) -> None:
    outlets = [slot_outlet(1, slot) for slot in range(1, count + 1)]
    rows, columns = rows_and_columns(outlets)
    for outlet in outlets:
        (row,) = [row for row in rows if outlet in row]
        (column,) = [column for column in columns if outlet in column]
        assert set(row) & set(column) == {outlet}
    assert len(rows) + len(columns) <= 2 * count**0.5 + 2


def test_48_outlets_are_in_14_groups() -> None:
    rows, columns = rows_and_columns([slot_outlet(1, slot) for slot in range(1, 49)])
    assert len(rows) + len(columns) == 14


def test_no_outlets_are_in_no_groups() -> None:
    assert rows_and_columns([]) == ([], [])


def test_at_most_eight_outlets_of_slots_are_switched_on_at_once_and_stacks_alone() -> None:
    slots = [slot_outlet(1, slot) for slot in range(1, 11)]
    stacks = [stack_outlet(2), stack_outlet(3)]
    more_slots = [slot_outlet(4, slot) for slot in (1, 2)]
    assert batches([*slots, *stacks, *more_slots]) == [
        tuple(slots[:8]), tuple(slots[8:]), (stacks[0],), (stacks[1],), tuple(more_slots),
    ]  # fmt: skip
