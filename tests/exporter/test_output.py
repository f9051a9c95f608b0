"""Tests of parsing the output of commands."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.output import OutputError, Samples, parse


def value(output: str) -> float:
    [(labels, number)] = parse(output.encode())
    assert labels == {}
    return number


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("48312\n", 48312),
        ("temp=48.3'C\n", 48.3),
        ("throttled=0x50005\n", 0x50005),
        ("throttled=0X1f", 31),
        ("cpu0 55\n", 55),
        ("48312e-3\n", 48.312),
        ("1500000e3", 1.5e9),
        ("-5", -5),
        ("+5", 5),
        ("-0x10", -16),
        (".5", 0.5),
        ("5.", 5),
        ("eth0 -3.5 dBm", -3.5),
        ("a-5", 5),
        ("100%", 100),
        ("1 2", 1),
        ("1\n2\n", 1),
        ("5e", 5),
        ("48°C", 48),
        ("v1.5 7", 7),
        ("  \n 8\r\n", 8),
    ],
)
def test_first_number_is_the_value(output: str, number: float) -> None:
    assert value(output) == number


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", "no output"),
        (" \n", "no output"),
        ("none", "no number"),
        ("cpu0", "no number"),
        ("NaN", "not a finite number"),
        ("nan 5", "not a finite number"),
        ("-inf", "not a finite number"),
        ("temp=Infinity", "not a finite number"),
        ("1e999", "not a finite number"),
        ("0x" + "f" * 400, "not a finite number"),
        ("1\0", "binary"),
        ('{a="1"}', "expected {label"),
        ('{a="1"} ', "expected {label"),
        ('{a="1"} x', "no number after"),
        ('{a="1"} 5x', "no number after"),
        ('{a="1"} 1_000', "no number after"),
        ('{a="1"} 1 1700000000', "expected {label"),
        ('{a="1"} NaN', "not a finite number"),
        ('{9a="1"} 1', "invalid labels"),
        ('{a-b="1"} 1', "invalid labels"),
        ('{"a b"="1"} 1', "invalid labels"),
        ('{__name__="up"} 1', "invalid labels"),
        ('{__a="1"} 1', "invalid labels"),
        ('{a="1",a="2"} 1', "invalid labels"),
        ("{a=1} 1", "invalid labels"),
        ('{a="1} 1', "invalid labels"),
        ('{a="1"} 1 {b="2"} 1', "invalid labels"),
        ('{a="1"} 1\nb 2', "expected {label"),
        ('{a="1",b="2"} 1\n{b="2",a="1"} 2', "duplicate labels"),
    ],
)
def test_invalid_output_raises_error_with_reason(output: str, reason: str) -> None:
    with pytest.raises(OutputError, match=reason):
        parse(output.encode())


def test_output_that_is_not_utf_8_is_rejected() -> None:
    with pytest.raises(OutputError, match="not UTF-8"):
        parse(b"48\xb0C")


def test_each_labeled_line_is_a_sample() -> None:
    assert parse(b'{a="x y",b="\\"\\\\}"} 1\n\n  {a="z"}\t0x10\r\n') == (
        ({"a": "x y", "b": '"\\}'}, 1),
        ({"a": "z"}, 16),
    )


def samples_or_reason(output: bytes) -> tuple[Samples, str]:
    try:
        return parse(output), ""
    except OutputError as error:
        return (), str(error)


@given(st.binary(max_size=200))
def test_any_output_produces_finite_numbers_or_a_one_line_error(output: bytes) -> None:
    samples, reason = samples_or_reason(output)
    assert bool(samples) != bool(reason)
    assert len(reason.splitlines()) <= 1
    assert all(math.isfinite(number) for _, number in samples)


@given(st.text(st.sampled_from('{}="\\,ab_019.-+eExX \t\n#'), max_size=60))
def test_any_labeled_output_produces_unique_samples_or_a_one_line_error(output: str) -> None:
    samples, reason = samples_or_reason(b"{" + output.encode())
    assert bool(samples) != bool(reason)
    assert len(reason.splitlines()) <= 1
    labels = [frozenset(labels.items()) for labels, _ in samples]
    assert len(set(labels)) == len(labels)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_parsed_unchanged(number: float) -> None:
    assert value(f"value={number!r}\n") == number


LABELS = st.dictionaries(
    st.from_regex(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"])),
    min_size=1,
)


@given(LABELS, st.integers(-(10**9), 10**9))
def test_every_label_is_parsed_unchanged(labels: dict[str, str], number: int) -> None:
    def quoted(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"")

    line = ",".join(f'{name}="{quoted(text)}"' for name, text in labels.items())
    assert parse(f"{{{line}}} {number}\n".encode()) == ((labels, number),)
