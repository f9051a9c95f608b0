"""Tests of the command lines: serving, checking and running actions."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.exporter.scraping import find_processes, make_sleep_command, parse_metrics
from tests.helpers.forked_program import run_program
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

SLEEP_COMMAND = make_sleep_command(1)


def run_exporter(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_program("exporter", arguments, environment={**os.environ, **environment})


@contextmanager
def running_exporter(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve on a free port. Return the process and its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "--listen", "127.0.0.1:0", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr.readline().split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_SECONDS) == 0


@pytest.fixture
def aliases_file(tmp_path: Path) -> Path:
    path = tmp_path / "aliases.ini"
    path.write_text("[a]\nb = echo 1\n")
    return path


def test_invalid_file_causes_exit_status_2_and_one_error_line(aliases_file: Path) -> None:
    aliases_file.write_text("[a]\nb = reboot\n")
    ended = run_exporter("--aliases", aliases_file)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"pirack-exporter: {aliases_file}:2: b would run reboot at each scrape:"
        " move it to [actions]\n"
    )


@pytest.mark.parametrize("address", ["9849", ":9849", "localhost", "127.0.0.1:x", "1.2.3.4:65536"])
def test_invalid_address_causes_exit_status_2_and_a_hint(address: str) -> None:
    ended = run_exporter("--listen", address)
    assert ended.returncode == 2
    assert "write ADDR:PORT, for example 127.0.0.1:9849" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_port_in_use_causes_exit_status_2_and_one_error_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run_exporter("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert ended.returncode == 2
    assert re.fullmatch(
        r"pirack-exporter: cannot listen on .* in use\): check --.*\n", ended.stderr
    )


def test_tls_key_without_certificate_causes_exit_status_2_and_one_error_line(
    aliases_file: Path,
) -> None:
    ended = run_exporter("--tls-key", aliases_file)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "set both --tls-cert and --tls-key" in ended.stderr


def test_sighup_reloads_the_file(aliases_file: Path) -> None:
    with running_exporter("--aliases", aliases_file) as (process, url):
        aliases_file.write_text("[a]\nc = echo 2\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "pirack_a_c 2.0" in requests.get(url, timeout=TIMEOUT_SECONDS).text)
        aliases_file.write_text("[a]\nc =\n")
        process.send_signal(signal.SIGHUP)
        failed = "pirack_config_last_reload_successful 0.0"
        wait_until(lambda: failed in requests.get(url, timeout=TIMEOUT_SECONDS).text)


@pytest.mark.parametrize(
    "command",
    [
        f"setsid {SLEEP_COMMAND} >/dev/null 2>&1 & echo 7",
        f"setsid sh -c '{SLEEP_COMMAND} & {SLEEP_COMMAND}' >/dev/null 2>&1 & echo 7",
        f"(setsid {SLEEP_COMMAND} &) ; echo 7",
        f"i=0; while [ $i -lt 100 ]; do setsid {SLEEP_COMMAND} >/dev/null 2>&1 &"
        " i=$((i+1)); done; echo 7",
    ],
    ids=["child", "children", "grandchild", "hundred"],
)
def test_processes_outside_process_group_are_killed(command: str, aliases_file: Path) -> None:
    aliases_file.write_text(f"[a]\nb = {command}\nb.timeout = 60\nc = echo 3\n")
    with running_exporter("--aliases", aliases_file) as (_, url):
        for _ in range(2):
            metrics = parse_metrics(requests.get(url, timeout=TIMEOUT_SECONDS).text)
            assert (metrics["pirack_a_b"], metrics["pirack_a_c"]) == (7, 3)
            wait_until(lambda: not find_processes(SLEEP_COMMAND.split()[1]))


def test_stopped_exporter_leaves_no_process(aliases_file: Path) -> None:
    aliases_file.write_text(f"[a]\nb = {SLEEP_COMMAND}\nc = echo 3\n")
    with running_exporter("--aliases", aliases_file) as (_, url):
        requests.get(
            url, headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"}, timeout=TIMEOUT_SECONDS
        )
    wait_until(lambda: not find_processes(SLEEP_COMMAND.split()[1]))


def test_check_prints_value_and_time_of_each_alias(pi4: Path) -> None:
    ended = run_exporter("--check", "--root", pi4)
    assert ended.returncode == 0, ended.stdout
    assert "    pirack_cpu_temperature_celsius 48.312\n" in ended.stdout
    assert re.search(r"\[cpu\] load1, line \d+: 0\.\d{4} s\n", ended.stdout)
    assert "warning" not in ended.stdout
    assert ended.stdout.endswith("12 aliases, 0 failed; 8 actions, not run\n")


def test_check_exits_with_status_1_if_an_alias_failed(aliases_file: Path) -> None:
    aliases_file.write_text("[a]\nb = echo 1\nc = no-such-program\n")
    ended = run_exporter("--check", aliases_file)
    assert ended.returncode == 1
    assert "    FAILED: exit status 127: no-such-program: not found\n" in ended.stdout


def test_check_exits_with_status_2_if_the_file_is_invalid(aliases_file: Path) -> None:
    aliases_file.write_text("[a]\nb =\n")
    ended = run_exporter("--check", aliases_file)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("alias", "warning"),
    [
        ("clock_hertz = echo 1500000", "the kernel reports kHz"),
        ("core_celsius = echo 48312", "the kernel reports millidegrees"),
        ("load_ratio = echo 55", "a ratio is 0 to 1"),
        ("clock = echo 1500000", "no unit in the name"),
        ("files_bytes = echo 5 | cat", "starts a process at each scrape"),
        ("slow_bytes = sleep 4; echo 5\nslow_bytes.timeout = 7", "close to its timeout"),
    ],
)
def test_check_prints_warnings(alias: str, warning: str, aliases_file: Path) -> None:
    aliases_file.write_text(f"[a]\n{alias}\n")
    ended = run_exporter("--check", aliases_file)
    assert re.search(f"    warning: .*{re.escape(warning)}", ended.stdout)
    assert ended.returncode == 0


ACTIONS = f"""
[a]
b = echo 1
[actions]
greet = echo hello; echo there >&2; exit 3
ask = cat
hang = {SLEEP_COMMAND}
hang.timeout = 0.2
"""


def run_action(file: Path, requested: str | None) -> subprocess.CompletedProcess[str]:
    environment = {} if requested is None else {"SSH_ORIGINAL_COMMAND": requested}
    return run_exporter(
        "action", "--aliases", file, SSH_CONNECTION="127.0.0.1 1 127.0.0.1 22", **environment
    )


def test_action_returns_output_and_exit_status(aliases_file: Path) -> None:
    aliases_file.write_text(ACTIONS)
    ended = run_action(aliases_file, "greet")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "hello\n", "there\n")


def test_action_receives_no_input(aliases_file: Path) -> None:
    aliases_file.write_text(ACTIONS)
    assert run_action(aliases_file, "ask").stdout == ""


def test_action_that_times_out_is_killed(aliases_file: Path) -> None:
    aliases_file.write_text(ACTIONS)
    ended = run_action(aliases_file, "hang")
    assert (ended.returncode, ended.stderr) == (
        124,
        "pirack-action: hang took longer than 0.2 s\n",
    )
    wait_until(lambda: not find_processes(SLEEP_COMMAND.split()[1]))


@pytest.mark.parametrize(
    "requested",
    [
        None, "", " ", "greet ", " greet", "greet x", "greet;id", "greet\n", "greet\nid",
        "$(greet)", "`greet`", "../greet", "b", "a_b", "greet.timeout", "Greet", "greet&", "gre*",
        "-h", "é", "x" * 100_000, "actions", "__class__",
    ],
)  # fmt: skip
def test_invalid_action_is_refused(requested: str | None, aliases_file: Path) -> None:
    aliases_file.write_text(ACTIONS)
    ended = run_action(aliases_file, requested)
    assert (ended.returncode, ended.stdout) == (126, "")
    assert re.fullmatch(r"pirack-action: [a-z ,]+(:|; actions:) ask, greet, hang\n", ended.stderr)
