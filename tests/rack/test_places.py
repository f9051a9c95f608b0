"""How people name places on a command line."""

from pathlib import Path

import pytest

from rack.errors import UnknownPlace
from rack.layout_file import load
from rack.places import select

RACK = load(Path("rack.toml"))


def named(*words: str) -> list[str]:
    return [slot.name for slot in select(RACK, words)]


@pytest.mark.parametrize(
    ("words", "names"),
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
def test_words_name_slots_once_and_in_order(words: list[str], names: list[str]) -> None:
    assert named(*words) == names


def test_all_is_the_whole_rack() -> None:
    assert len(named("all")) == 48


@pytest.mark.parametrize(
    "word", ["", "/", "3/", "/2", "x", "3/2/1", "4-1", "-1", "3 /2", "1.5", "٣"]
)
def test_what_names_no_place_is_refused_with_the_grammar(word: str) -> None:
    with pytest.raises(UnknownPlace, match=r"names no place: write 3 \(a stack\)"):
        named(word)


def test_a_place_beyond_the_rack_is_named() -> None:
    with pytest.raises(UnknownPlace, match="no stack 13: this rack has stacks 1 to 12"):
        named("13")
    with pytest.raises(UnknownPlace, match="no slot 3/5: stack 3 has slots 1 to 4"):
        named("3/4-9")
