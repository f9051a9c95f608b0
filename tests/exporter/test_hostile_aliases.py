"""Tests that a failing alias does not affect the other aliases of the same scrape.

Each hostile command is between two builtin-only aliases and an alias that runs in a process.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests

from exporter import aliases, processes
from exporter.runner import CommandRunner
from tests.exporter.scraping import ServedExporter, find_processes, make_sleep_command
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

Serve = Callable[..., ServedExporter]

ALIASES_TEMPLATE = """
[rasp]
temperature_celsius =
  read -r milli < "$ROOT/sys/class/thermal/thermal_zone0/temp" && echo ${{milli}}e-3
{hostile}
{hostile_timeout}
load1 = read -r load1 _ < "$ROOT/proc/loadavg" && echo "$load1"
process = sed -n 's/MemTotal: *//p' "$ROOT/proc/meminfo"
"""
EXPECTED_METRICS = {
    "pirack_rasp_temperature_celsius": 48.312,
    "pirack_rasp_load1": 0.52,
    "pirack_rasp_process": 3884368,
}

# The argument identifies processes that a hostile command left running.
SLEEP_COMMAND = make_sleep_command(2)

FAILING = {
    "hangs": SLEEP_COMMAND,
    "hangs as a builtin": "while true; do true; done",
    "hangs on a pipe without writer": "read -r x < {folder}/fifo",
    "exits": "echo 1; exit 3",
    "kills its shell": "kill $$",
    "kills its shell with SIGKILL": "kill -9 $$",
    "kills its process group": "kill -9 0",
    "reconfigures its shell": "cd /nowhere; unset PATH; IFS=x; set -e; exec </dev/null; id",
    "reconfigures its shell by builtins": "ROOT=/nowhere; read -r x < $ROOT/y",
    "prints 1 GB": "head -c 1000000000 /dev/zero",
    "prints without end": "while true; do echo 1; done",
    "prints one endless line": "while true; do printf 123456789; done",
    "prints binary": r"printf '1\000\3772'",
    "prints latin-1": r"printf '48\260C'",
    "prints NaN": "echo NaN",
    "prints inf": "echo inf",
    "prints minus infinity": "echo -Infinity",
    "prints a number out of range": "echo 1e999",
    "prints words": "echo none",
    "prints two numbers": "echo 1 2",
    "prints a decimal comma": "echo 48,3",
    "prints nothing": "true",
    "prints an empty line": "echo",
    "reads stdin": "read -r x && echo 5",
    "reads stdin as a process": "cat | grep .",
    "hangs with children": f"{SLEEP_COMMAND} & {SLEEP_COMMAND} & wait",
    "forks a thousand children": (
        f"i=0; while [ $i -lt 1000 ]; do {SLEEP_COMMAND} & i=$((i+1)); done; wait"
    ),
    "is unknown": "no-such-program",
    "leaves a quote open": "echo 'a",
    "leaves an if open": "if true; then echo 1",
    "closes a block that is not open": "done",
    "closes a brace": "echo 1; }; exit",
    "divides by zero": "echo $((1/0))",
    "has no such file": "read -r x < /no/such/file; echo $x",
    "prints an invalid label": """echo '{9bad="1"} 1'""",
    "prints a label twice": """echo '{a="1"} 1'; echo '{a="1"} 2'""",
    "prints a timestamp": """echo '{a="1"} 1 1700000000'""",
    "prints an invalid line among valid ones": """echo '{a="1"} 1'; echo '{a="2" 1'""",
    "eats memory": "x=1; while true; do x=$x$x; done",
}

WORKING = {
    "prints no newline": ("printf 7", 7),
    "prints no newline as a process": ("printf 7 | cat", 7),
    "leaves a child with its stdout": (f"echo 7; {SLEEP_COMMAND} &", 7),
    "leaves a child without its stdout": (f"{SLEEP_COMMAND} >/dev/null 2>&1 & echo 7", 7),
    "breaks without a loop": ("echo 7; break", 7),
    "sets variables of other commands": ("load1=5; milli=6; echo 7", 7),
    "prints an error and succeeds": ("read -r x < /no/such/file; echo 7", 7),
    "floods stderr": ("head -c 1000000 /dev/zero >&2; echo 7", 7),
}


def aliases_with(hostile: str, folder: Path, timeout: float) -> str:
    return ALIASES_TEMPLATE.format(
        hostile=f"hostile = {hostile.format(folder=folder) if '{folder}' in hostile else hostile}",
        hostile_timeout=f"hostile.timeout = {timeout}",
    )


@pytest.mark.parametrize("hostile", FAILING.values(), ids=FAILING.keys())
def test_failing_alias_does_not_affect_others(hostile: str, serve: Serve, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    rasp = serve(aliases_with(hostile, tmp_path, timeout=0.5))
    for scrape in range(3):
        metrics = rasp.metrics()
        assert {name: metrics.get(name) for name in EXPECTED_METRICS} == EXPECTED_METRICS, (
            f"scrape {scrape}"
        )
        assert metrics["pirack_alias_success{alias=rasp_hostile}"] == 0
        assert not [name for name in metrics if name.startswith("pirack_rasp_hostile")]
        assert metrics["pirack_up"] == 0
    wait_until(lambda: not find_processes(SLEEP_COMMAND.split()[1]))


@pytest.mark.parametrize(("command", "value"), WORKING.values(), ids=WORKING.keys())
def test_unusual_alias_does_not_affect_others(
    command: str, value: float, serve: Serve, tmp_path: Path
) -> None:
    rasp = serve(aliases_with(command, tmp_path, timeout=30))
    for _ in range(3):
        metrics = rasp.metrics()
        assert {name: metrics.get(name) for name in EXPECTED_METRICS} == EXPECTED_METRICS
        assert metrics["pirack_rasp_hostile"] == value
        assert metrics["pirack_up"] == 1
    wait_until(lambda: not find_processes(SLEEP_COMMAND.split()[1]))


def test_output_that_resembles_a_delimiter_does_not_affect_next_alias(serve: Serve) -> None:
    rasp = serve("[a]\nb = printf '%s\\n' '0123456789abcdef0123456789abcdef 0' 5\nc = echo 3\n")
    assert rasp.metrics()["pirack_a_c"] == 3


def test_ten_hung_aliases_delay_a_scrape_as_long_as_one(serve: Serve) -> None:
    hung = "\n".join(f"hung{number} = {SLEEP_COMMAND}" for number in range(10))
    rasp = serve(f"[a]\n{hung}\nb = echo 3\n")
    metrics = rasp.metrics(timeout=5)
    assert metrics["pirack_a_b"] == 3
    assert all(
        metrics[f"pirack_alias_success{{alias=a_hung{number}}}"] == 0 for number in range(10)
    )
    durations = [metrics[f"pirack_alias_duration_seconds{{alias=a_hung{n}}}"] for n in range(10)]
    assert max(durations) < 15  # one after the other would take 10 times as long as one


def test_alias_that_broke_the_shared_shell_is_readmitted(serve: Serve, tmp_path: Path) -> None:
    sensor = tmp_path / "sensor"
    os.mkfifo(sensor)
    rasp = serve(f"[a]\nsensor = read -r x < {sensor} && echo $x\nsensor.timeout = 3\n")
    assert rasp.success("a_sensor") == 0
    sensor.unlink()
    sensor.write_text("8\n")
    assert [rasp.metrics()["pirack_a_sensor"] for _ in range(3)] == [8, 8, 8]


def test_killed_shared_shell_is_restarted_in_next_scrape(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 3\n")
    rasp.metrics()
    for pid in rasp.exporter._runner._shared_shell.pids():
        os.kill(pid, 9)
    assert rasp.metrics()["pirack_a_b"] == 3


@pytest.mark.parametrize("stop", ["close", "drain"])
def test_killed_commands_are_reaped_at_the_latest_when_the_runner_stops(
    stop: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "_REAP_TIMEOUT_MS", 0)
    aliases_file = tmp_path / "aliases.ini"
    hung = [f"b{n} = {SLEEP_COMMAND}\nb{n}.timeout = 0.5" for n in range(20)]
    aliases_file.write_text("\n".join(["[a]", *hung]))
    children_before = psutil.Process().children()
    runner = CommandRunner(aliases.load(aliases_file).metrics)
    assert {result.error for result in runner.run(30).values()} == {"took longer than 0.5 s"}
    getattr(runner, stop)()
    assert not set(psutil.Process().children()) - set(children_before)


def test_close_kills_running_commands(serve: Serve) -> None:
    rasp = serve(f"[a]\nb = {SLEEP_COMMAND}\nc = while true; do true; done\n")

    def scrape_until_closed() -> None:
        with suppress(requests.RequestException):
            rasp.metrics()

    scrape = threading.Thread(target=scrape_until_closed)
    scrape.start()
    wait_until(lambda: bool(find_processes(SLEEP_COMMAND.split()[1])))
    rasp.exporter.close()
    wait_until(lambda: not find_processes(SLEEP_COMMAND.split()[1]))
    scrape.join(TIMEOUT_SECONDS)
    assert not scrape.is_alive()
