"""Tests of target expressions."""

from pathlib import Path

import pytest

from rack.errors import UnknownTargetError
from rack.layout_file import load, parse
from rack.targets import TargetParser, printed_name, resolve_slot, resolve_slots, resolve_stack
from tests.helpers.layouts import layout_text

RACK = load(Path("rack.toml"))
RACK_OF_TALL_STACKS = parse(layout_text(12, slots=12))


def resolved_names(*expressions: str) -> list[str]:
    return [slot.name for slot in resolve_slots(RACK, expressions)]


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        (["3/2"], ["03-2"]),
        (["3"], ["03-1", "03-2", "03-3", "03-4"]),
        (["03"], ["03-1", "03-2", "03-3", "03-4"]),
        (["1..3/1"], ["01-1", "02-1", "03-1"]),
        (["3/1,3..4"], ["03-1", "03-3", "03-4"]),
        (["1,3/4"], ["01-4", "03-4"]),
        (["12/4", "1/1"], ["01-1", "12-4"]),
        (["3/2", "3/2", "3/1..2"], ["03-1", "03-2"]),
        (["1-3/1"], ["01-1", "02-1", "03-1"]),
        (["3/1-2"], ["03-1", "03-2"]),
        (["01-2,03-1"], ["01-2", "03-1"]),
        (["12-4", "rasp-01-2"], ["01-2", "12-4"]),
    ],
)
def test_expressions_select_each_slot_once_sorted_by_id(
    expressions: list[str], names: list[str]
) -> None:
    assert resolved_names(*expressions) == names


def test_all_selects_the_whole_rack() -> None:
    assert len(resolved_names("all")) == 48


def test_every_printed_form_of_a_rasp_selects_only_this_rasp() -> None:
    for rack in (RACK, RACK_OF_TALL_STACKS):
        for slot in rack.slots:
            for form in (slot.name, slot.host_name, slot.host_name.upper(), slot.target):
                assert resolve_slots(rack, [form]) == (slot,)
                assert resolve_slot(rack, form) == slot
                assert printed_name(rack, form) == slot.name
            assert resolve_slot(rack, str(slot.id)) == slot
        for stack in rack.stacks:
            assert resolve_slots(rack, [stack.name]) == stack.slots
            assert resolve_stack(rack, stack.name) == resolve_stack(rack, str(stack.number))
            assert printed_name(rack, str(stack.number)) == stack.name


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1-4", "1-4 can be a rasp or a range of stacks: write 1/4 for rasp 01-4, or 1..4 for"),
        ("2,1-4", "1-4 can be a rasp or a range of stacks"),
        ("3-2", "3-2 is not the name of a rasp: write 03-2 or 3/2"),
        ("001-2", "001-2 is not the name of a rasp: write 01-2 or 1/2"),
        ("01-02", "01-02 is not the name of a rasp: write 01-2 or 1/2"),
        ("rasp-1-2", "rasp-1-2 is not the name of a rasp: write 01-2 or 1/2"),
        ("01-9", r"no slot 1/9 \(01-9\): stack 1 has slots 1 to 4. Stacks 1 to 9 are written 1..9"),
        ("10-12", r"no slot 10/12 \(10-12\): .+\. Stacks 10 to 12 are written 10\.\.12"),
        ("001-9", "no slot 1/9"),
        ("12-5", r"no slot 12/5 \(12-5\): stack 12 has slots 1 to 4$"),
        ("13-1", "no stack 13: this rack has stacks 1 to 12$"),
        ("rasp-13-1", "no stack 13: this rack has stacks 1 to 12$"),
        ("13", "no stack 13: this rack has stacks 1 to 12. The rasp with id 13 is 04-1"),
    ],
)
def test_text_that_resembles_a_name_is_never_read_as_stacks(expression: str, message: str) -> None:
    with pytest.raises(UnknownTargetError, match=f"^{message}"):
        resolved_names(expression)


def test_range_with_a_hyphen_is_accepted_only_if_no_rasp_could_have_this_name() -> None:
    assert {slot.stack for slot in resolve_slots(RACK, ["7-9"])} == {7, 8, 9}
    with pytest.raises(UnknownTargetError, match=r"write 7/9 for rasp 07-9, or 7\.\.9 for"):
        resolve_slots(RACK_OF_TALL_STACKS, ["7-9"])
    for rack in (RACK, RACK_OF_TALL_STACKS):
        assert {slot.stack for slot in resolve_slots(rack, ["10..12"])} == {10, 11, 12}


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "/",
        "3/",
        "/2",
        "x",
        "3/2/1",
        "4..1",
        "-1",
        "3 /2",
        "1.5",
        "٣",
        "3..",
        "1..2..3",
        "all/1",
    ],
)
def test_malformed_expression_is_rejected_with_syntax_hint(expression: str) -> None:
    with pytest.raises(UnknownTargetError, match=r"is not a valid target: write 3 \(a stack\)"):
        resolved_names(expression)


def test_unknown_stack_or_slot_is_named_in_error() -> None:
    with pytest.raises(UnknownTargetError, match=r"no stack 99: this rack has stacks 1 to 12$"):
        resolved_names("99")
    with pytest.raises(UnknownTargetError, match=r"no slot 3/5 \(03-5\): stack 3 has slots 1 to 4"):
        resolved_names("3/4..9")


def test_stacks_are_selected_by_number_and_not_by_the_name_of_a_rasp() -> None:
    parser = TargetParser([4] * 12)
    assert parser.stacks(["3", "1..2", "03"]) == [1, 2, 3]
    for expression in ("1/2", "01-2", "rasp-01-2"):
        with pytest.raises(UnknownTargetError, match=r"power is switched per stack: write 1$"):
            parser.stacks([expression])


@pytest.mark.parametrize("text", ["", "x", "1..1/1", "all", "7-x", "10.23.1.2", "3/2/1"])
def test_text_of_another_form_is_not_a_rasp(text: str) -> None:
    with pytest.raises(UnknownTargetError, match="is not a rasp: write an id, or a name such as"):
        resolve_slot(RACK, text)
    assert printed_name(RACK, text) == ("01-1" if text == "1..1/1" else text)


def test_unknown_rasp_and_stack_are_rejected() -> None:
    for text, message in {
        "49": "no rasp 49: this rack has rasps 1 to 48",
        "03-9": r"no slot 3/9 \(03-9\): stack 3 has slots 1 to 4",
        "1-4": "1-4 is not the name of a rasp: write 01-4 or 1/4",
    }.items():
        with pytest.raises(UnknownTargetError, match=message):
            resolve_slot(RACK, text)
    with pytest.raises(UnknownTargetError, match="'03-2' is not a stack: write its number"):
        resolve_stack(RACK, "03-2")
    with pytest.raises(UnknownTargetError, match="no stack 13"):
        resolve_stack(RACK, "13")
