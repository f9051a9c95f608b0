"""Run a test program with the real dhcpd in a network namespace of its own."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tools.programs import find

_UNSHARE_COMMAND = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "-Urn"]


def run_with_dhcpd(module: str, standard_input: str = "") -> list[Any]:
    """Run `python -m MODULE`, and return the JSON of each line of its output.

    The test is skipped if dhcpd or network namespaces are not available.
    """
    find("dhcpd")  # skips the test if it is not available
    probe = subprocess.run(
        [*_UNSHARE_COMMAND, "true"], capture_output=True, text=True, timeout=60, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"this user cannot create network namespaces: {probe.stderr.strip()}")
    done = subprocess.run(
        [*_UNSHARE_COMMAND, sys.executable, "-m", module],
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
