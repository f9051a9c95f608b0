"""Seeds on the command line."""

import re

import pytest

from cli.experiments.seeds import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", [7]),
        ("1-4", [1, 2, 3, 4]),
        ("3, 1-2", [3, 1, 2]),
        ("1-3,2", [1, 2, 3]),
        ("0", [0]),
    ],
)
def test_seeds_are_numbers_and_ranges_in_their_order(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a seed: write 7, 1-50 or 1-3,7"),
        ("1..3", "'1..3' is not a seed: write 7, 1-50 or 1-3,7"),
        ("-1", "'-1' is not a seed: write 7, 1-50 or 1-3,7"),
        ("9-1", "9-1 is empty: write 1-9"),
        ("1-999999999", "1-999999999 selects more than 10000 seeds: write fewer"),
    ],
)
def test_malformed_seeds_are_reported_with_a_fix(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_seeds(text)
