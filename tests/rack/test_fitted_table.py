"""Tables that fit into the width of the terminal."""

from collections.abc import Sequence
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rack.fitted_table import fit_widths
from rack.terminal import make_table

ORDERS = [
    ("12", "2026-11-29 08:02:11", "token:demo", "power_cycle", "1..12/1..4", "ok"),
    ("13", "2026-11-29 08:03:40", "token:demo", "cpu_temperature_celsius", "03-2", "failed"),
]


def printed_lines(width: int, *headers: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    output = StringIO()
    Console(file=output, width=width).print(make_table(*headers, rows=rows))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def order_lines(width: int) -> list[str]:
    headers = ("ORDER", "STARTED", "ACTOR", "ACTION", "TARGETS", "RESULT")
    return printed_lines(width, *headers, rows=ORDERS)


def test_wide_table_has_one_line_for_each_row() -> None:
    assert order_lines(200)[2].split() == " ".join(ORDERS[1]).split()


def test_narrow_table_breaks_long_words_after_punctuation_and_keeps_times_whole() -> None:
    assert order_lines(80) == [
        "ORDER  STARTED              ACTOR       ACTION                TARGETS     RESULT",
        "12     2026-11-29 08:02:11  token:demo  power_cycle           1..12/1..4  ok",
        "13     2026-11-29 08:03:40  token:demo  cpu_temperature_      03-2        failed",
        "                                        celsius",
    ]


def test_times_stay_whole_as_long_as_other_columns_can_shrink() -> None:
    assert order_lines(66) == [
        "ORDER  STARTED              ACTOR    ACTION        TARGETS  RESULT",
        "12     2026-11-29 08:02:11  token:   power_cycle   1..12/   ok",
        "                            demo                   1..4",
        "13     2026-11-29 08:03:40  token:   cpu_          03-2     failed",
        "                            demo     temperature_",
        "                                     celsius",
    ]


def test_narrow_table_wraps_sentences_first() -> None:
    rows = [("03-2", "down", "neither the rasp nor its exporter answers")]
    assert printed_lines(40, "RASP", "STATE", "REASON", rows=rows) == [
        "RASP  STATE  REASON",
        "03-2  down   neither the rasp nor its",
        "             exporter answers",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_character_is_lost_on_a_narrow_terminal(width: int) -> None:
    lines = order_lines(width)
    assert max(map(len, lines)) <= width
    printed = sorted("".join("".join(lines).split()))
    expected = "".join(map("".join, ORDERS)) + "ORDERSTARTEDACTORACTIONTARGETSRESULT"
    assert printed == sorted(expected.replace(" ", ""))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=8))
def test_columns_fit_if_each_has_a_character(columns: list[tuple[int, int]]) -> None:
    full = [max(pair) for pair in columns]
    pieces = [min(pair) for pair in columns]
    widths = fit_widths(full, pieces, 80)
    assert sum(widths) + 2 * (len(widths) - 1) <= 80
    assert all(1 <= width <= limit for width, limit in zip(widths, full, strict=True))
    if sum(pieces) + 2 * (len(pieces) - 1) <= 80:
        assert all(width >= piece for width, piece in zip(widths, pieces, strict=True))
