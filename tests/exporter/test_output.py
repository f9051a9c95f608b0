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
        ("frequency(48)=1500345728", 1500345728),
        ("     EXT5V_V volt(24)=5.12045000V", 5.12045),
        ("   VDD_CORE_A current(7)=1.24900000A\n", 1.249),
        ("in[0] = -.5", -0.5),
        ("wlan-0 -45", -45),
        ("cpu0: 55", 55),
        ("100%", 100),
        ("12 %", 12),
        ("5.12V", 5.12),
        ("9.81m/s²", 9.81),
        ("MemTotal:  3884368 kB", 3884368),
        ("5e", 5),
        ("48°C", 48),
        ("v1.5 7", 7),
        ("  \n 8\r\n", 8),
    ],
)
def test_only_number_is_the_value(output: str, number: float) -> None:
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
        ("48,3", "a comma in the number: '48,3'"),
        ("temp=48,3 C", "a comma in the number: '48,3'"),
        ("1,234,567", "a comma in the number"),
        ("1.234,5", "a comma in the number"),
        ("1 2", "more than one number: '1' and '2'"),
        ("1\n2\n", "more than one number"),
        ("1, 2", "more than one number"),
        ("a=1 b=2", "more than one number"),
        ("3 x=5", "more than one number"),
        ("x=1=2", "more than one number in '1=2'"),
        ("volt(24): 5.12V", "more than one number"),
        ("+48.3°C (high = +85.0°C)", "more than one number"),
        ("12:30", "more than one number in '12:30'"),
        ("2026-11-28", "more than one number"),
        ("2h30m", "more than one number in '2h30m'"),
        ("5V/3A", "more than one number"),
        ("1.2.3", "more than one number"),
        ("1_000", "more than one number"),
        ("1'234", "more than one number"),
        ("48\u066b3", "more than one number"),
        ("0xZZ", "no number"),
        ("0x5G", "no number"),
        ("a-5", "no number"),
        ("\u22125", "no number"),
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


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[A-Za-z_]{1,8}([(\[][0-9]{1,3}[)\]])?", fullmatch=True)
UNITS = st.from_regex(r"(?i:(?!x|e[+-]?[0-9]))['°A-Za-z/%²]{0,4}", fullmatch=True)


@given(NAMES, NUMBERS, UNITS, st.sampled_from(["=", " = ", "= "]))
def test_number_after_a_name_and_before_a_unit_is_the_value(
    name: str, number: float, unit: str, equals_sign: str
) -> None:
    assert value(f"  {name}{equals_sign}{number!r}{unit}\n") == number


@given(NUMBERS, NUMBERS, st.sampled_from([" ", ",", ", ", ";", ":", "/", "\n", " b=", "_", " to "]))
def test_output_with_a_second_number_has_no_value(
    first: float, second: float, separator: str
) -> None:
    for prefix in ("", "a=", "volt(24)="):
        with pytest.raises(OutputError):
            parse(f"{prefix}{first!r}{separator}{second!r}".encode())


@given(st.integers(), st.integers(0, 999), st.sampled_from(["", "temp=", "volt(3)="]))
def test_output_with_a_decimal_comma_has_no_value(whole: int, decimals: int, prefix: str) -> None:
    with pytest.raises(OutputError, match="a comma in the number"):
        parse(f"{prefix}{whole},{decimals}".encode())


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
