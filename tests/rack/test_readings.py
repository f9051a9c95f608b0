"""Values of metrics as texts for people."""

import math
import re

import pytest

from rack.readings import format_number, format_reading, is_timestamp


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("memory_total_bytes", 31_334_400_000, "29.2 GiB"),
        ("memory_available_bytes", 432_013_312, "412 MiB"),
        ("network_received_bytes_total", 512, "512 B"),
        ("uptime_seconds", 97_320, "1 d 3 h"),
        ("cpu_busy_seconds_total", 252.4, "4 min 12 s"),
        ("alias_duration_seconds", 0.0000431, "43.1 µs"),
        ("alias_duration_seconds", 0.0000000021, "2.1 ns"),
        ("response_time_seconds", 0.02, "20 ms"),
        ("gap_seconds", 3600, "1 h"),
        ("gap_seconds", 0, "0 s"),
        ("clock_offset_seconds", -0.25, "-250 ms"),
        ("boot_time_seconds", 1e30, "1e+30 s"),
        ("cpu_temperature_celsius", 48.312, "48.3 °C"),
        ("cpu_frequency_hertz", 1_500_000_000, "1.5 GHz"),
        ("cpu_frequency_hertz", 6e8, "600 MHz"),
        ("mains_hertz", 50, "50 Hz"),
        ("disk_used_ratio", 0.123, "12.3 %"),
        ("energy_joules_total", 7200, "2.0 Wh"),
        ("supply_volts", 5.0625, "5.062 V"),
        ("power_watts", 3.44, "3.4 W"),
        ("cpu_load1", 0.12, "0.12"),
        ("disk_readonly", 0, "0"),
        ("memory_total_bytes", math.inf, "inf"),
        ("cpu_load1", math.nan, "nan"),
    ],
)
def test_reading_has_the_unit_of_its_name(name: str, value: float, text: str) -> None:
    assert format_reading(name, value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (44.563, "44.563"), (0.00012345678, "0.000123457"), (1795552960.0, "1795552960")],
)
def test_number_keeps_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_boot_time_is_a_date_with_its_time_zone() -> None:
    text = format_reading("boot_time_seconds", 1767225600.0)
    assert re.fullmatch(r"202[56]-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", text)


def test_reading_is_a_time_unless_the_clock_was_not_set() -> None:
    assert is_timestamp("boot_time_seconds", 1_795_552_960)
    assert not is_timestamp("boot_time_seconds", 100)
    assert not is_timestamp("uptime_seconds", 1_795_552_960)
    assert not is_timestamp("boot_time_seconds", math.nan)
