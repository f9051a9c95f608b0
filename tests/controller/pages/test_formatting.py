"""How pages say numbers and times."""

import time

import pytest

from controller.pages import formatting


@pytest.mark.parametrize(
    ("number_of_bytes", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (742_391_808, "742 MB"),
        (999_900_000, "1.0 GB"),
        (3_977_637_888, "4.0 GB"),
        (31_334_400_000, "31.3 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_bytes_are_said_in_few_digits(number_of_bytes: float, said: str) -> None:
    assert formatting.format_bytes(number_of_bytes) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "1"), (44.563, "44.563"), (0.00012345678, "0.000123457"), (1795552960.0, "1795552960")],
)
def test_readings_are_said_as_they_are(value: float, said: str) -> None:
    assert formatting.format_number(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (5, "under a minute"),
        (150, "2 min"),
        (7300, "2 h"),
        (200_000, "2 d"),
        (-60, "under a minute"),
    ],
)
def test_a_time_that_has_passed_is_said_roughly(seconds: float, said: str) -> None:
    assert formatting.format_age(time.time() - seconds) == said


def test_what_is_not_of_today_has_its_date() -> None:
    assert formatting.format_time(time.time()).count(":") == 2
    assert formatting.format_time(0).startswith(("1970-01-01", "1969-12-31"))


@pytest.mark.parametrize(
    ("celsius", "band"), [(-20, 0), (34.4, 0), (34.6, 1), (74.4, 8), (75, 9), (120, 9)]
)
def test_a_temperature_is_in_the_band_that_its_shown_number_is_in(
    celsius: float, band: int
) -> None:
    assert formatting.temperature_band(celsius) == band


@pytest.mark.parametrize(("cores", "band"), [(0, 0), (0.44, 0), (0.46, 1), (3.9, 7), (64, 9)])
def test_busy_cores_are_in_the_band_that_their_shown_number_is_in(cores: float, band: int) -> None:
    assert formatting.cpu_band(cores) == band


def test_what_the_firmware_says_comes_the_worst_first_and_nothing_is_lost() -> None:
    found = frozenset({"throttled", "under_voltage", "on_fire"})
    assert formatting.format_conditions(found) == ["under-voltage", "throttled", "on_fire"]
