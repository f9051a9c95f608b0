"""Values of metrics as texts for people."""

import re

import pytest

from rack.readings import format_reading


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("cpu_temperature_celsius", 47.2, "47.2 °C"),
        ("cpu_frequency_hertz", 1.5e9, "1.5 GHz"),
        ("cpu_frequency_hertz", 6e8, "600 MHz"),
        ("cpu_busy_seconds_total", 1234.56, "1234.56 s"),
        ("memory_available_bytes", 432013312, "412 MiB"),
        ("network_received_bytes_total", 512, "512 B"),
        ("disk_used_ratio", 0.425, "42.5 %"),
        ("core_volts", 0.8563, "0.8563 V"),
        ("response_time_seconds", 0.02, "0.02 s"),
        ("boot_time_seconds", 1e30, "1e+30 s"),
        ("cpu_load1", 0.12, "0.12"),
        ("disk_readonly", 0, "0"),
    ],
)
def test_reading_has_the_unit_of_its_name(name: str, value: float, text: str) -> None:
    assert format_reading(name, value) == text


def test_boot_time_is_a_date_with_its_time_zone() -> None:
    text = format_reading("boot_time_seconds", 1767225600.0)
    assert re.fullmatch(r"202[56]-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", text)
