"""Tests of target expressions."""

from pathlib import Path

import pytest

from rack.errors import UnknownTargetError
from rack.layout_file import load
from rack.targets import resolve_slots

RACK = load(Path("rack.toml"))


def resolved_names(*expressions: str) -> list[str]:
    return [slot.name for slot in resolve_slots(RACK, expressions)]


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        (["3/2"], ["03-2"]),
        (["3"], ["03-1", "03-2", "03-3", "03-4"]),
        (["1-3/1"], ["01-1", "02-1", "03-1"]),
        (["3/1,3-4"], ["03-1", "03-3", "03-4"]),
        (["1,3/4"], ["01-4", "03-4"]),
        (["12/4", "1/1"], ["01-1", "12-4"]),
        (["3/2", "3/2", "3/1-2"], ["03-1", "03-2"]),
    ],
)
def test_expressions_select_each_slot_once_sorted_by_id(
    expressions: list[str], names: list[str]
) -> None:
    assert resolved_names(*expressions) == names


def test_all_selects_the_whole_rack() -> None:
    assert len(resolved_names("all")) == 48


@pytest.mark.parametrize(
    "expression", ["", "/", "3/", "/2", "x", "3/2/1", "4-1", "-1", "3 /2", "1.5", "٣"]
)
def test_malformed_expression_is_rejected_with_syntax_hint(expression: str) -> None:
    with pytest.raises(UnknownTargetError, match=r"is not a valid target: write 3 \(a stack\)"):
        resolved_names(expression)


def test_unknown_stack_or_slot_is_named_in_error() -> None:
    with pytest.raises(UnknownTargetError, match="no stack 13: this rack has stacks 1 to 12"):
        resolved_names("13")
    with pytest.raises(UnknownTargetError, match="no slot 3/5: stack 3 has slots 1 to 4"):
        resolved_names("3/4-9")
