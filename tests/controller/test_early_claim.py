"""Test that the relays do not wait for the modules of the pages, orders and commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.waiting import TIMEOUT_SECONDS

SLOW_MODULES = {
    "asyncssh",
    "bcrypt",
    "cryptography",
    "flask",
    "icmplib",
    "prometheus_client",
    "psutil",
    "requests",
    "spectree",
    "waitress",
}


@pytest.mark.process
def test_relays_are_claimed_before_slow_modules_are_loaded() -> None:
    program = (
        "import sys; import controller.__main__, controller.serve, rack.gpio.pins;"
        " print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    loaded = set(completed.stdout.split())
    assert "gpiozero" in loaded
    assert loaded & SLOW_MODULES == set()
