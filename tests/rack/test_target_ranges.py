"""Names of rasps and stacks, written as few target expressions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rack.layout_file import load
from rack.target_ranges import abbreviate
from rack.targets import TargetParser, resolve_slots

RACK = load(Path("rack.toml"))
NAMES = [slot.name for slot in RACK.slots]


@pytest.mark.parametrize(
    ("names", "expressions"),
    [
        ([], []),
        (["03-1", "03-2", "03-3", "03-4"], ["03-1", "03-2", "03-3", "03-4"]),
        (NAMES, ["1..12/1..4"]),
        (NAMES[:7], ["1/1..4", "2/1..3"]),
        (["01-2", "02-2", "03-2", "05-2", "07-1"], ["1..3/2", "05-2", "07-1"]),
        (["01-1", "01-3", "02-1", "02-3", "04-4"], ["1..2/1,3", "04-4"]),
        (["01", "02", "03", "05", "07", "08"], ["1..3", "05", "7..8"]),
        (["01", "02", "03", "05", "poe:1"], ["01", "02", "03", "05", "poe:1"]),
    ],
)
def test_more_than_four_names_are_written_as_ranges(
    names: list[str], expressions: list[str]
) -> None:
    assert abbreviate(names) == expressions


@given(st.sets(st.sampled_from(NAMES)))
def test_ranges_select_the_rasps_that_were_named(names: set[str]) -> None:
    expressions = abbreviate(sorted(names))
    assert {slot.name for slot in resolve_slots(RACK, expressions)} == names
    assert len(expressions) <= max(len(RACK.stacks), 4)


@given(st.sets(st.integers(1, 12)))
def test_ranges_select_the_stacks_that_were_named(stacks: set[int]) -> None:
    numbers = sorted(stacks)
    parser = TargetParser([len(stack.slots) for stack in RACK.stacks])
    assert parser.stacks(abbreviate([f"{number:02}" for number in numbers])) == numbers
