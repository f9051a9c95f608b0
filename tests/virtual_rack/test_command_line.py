"""Command line of `python -m virtual_rack run`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.controller.openssh_servers import loopback_prefix
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from virtual_rack import control

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


def run_command_line(folder: Path, *arguments: str) -> list[str]:
    (folder / "rack.toml").write_text(layout_text())
    return [
        *(sys.executable, "-m", "virtual_rack", "run", "--rack", f"{folder}/rack.toml"),
        *("--state", str(folder), "--network", loopback_prefix(), "--boot-time", "0", *arguments),
    ]


def reported_faults(folder: Path) -> dict[str, list[str]] | None:
    try:
        rasps = control.send(folder, {"command": "status"})["rasps"]
    except control.RackUnavailableError:
        return None
    return {name: rasp["faults"] for name, rasp in rasps.items()}


def test_rack_starts_with_the_given_faults(tmp_path: Path) -> None:
    arguments = ["--fault", "1/1:dead", "--fault", "1:ssh-slow"]
    with subprocess.Popen(run_command_line(tmp_path, *arguments), cwd=ROOT) as process:
        try:
            wait_until(
                lambda: (
                    reported_faults(tmp_path)
                    == {"01-1": ["dead", "ssh-slow"], "01-2": ["ssh-slow"]}
                )
            )
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("1/1:gone", "'1/1:gone' is not a valid fault: use TARGETS:FAULT such as 3/2:dead or"),
        (
            "dead",
            "'dead' is not a valid fault: use TARGETS:FAULT such as 3/2:dead or 03-2:dead, with",
        ),
        ("4:dead", "no stack 4: this rack has stacks 1 to 1"),
    ],
)
def test_invalid_fault_is_rejected_with_a_hint(tmp_path: Path, fault: str, error: str) -> None:
    result = subprocess.run(
        run_command_line(tmp_path, "--fault", fault),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert result.returncode == 2
    assert error in result.stderr
