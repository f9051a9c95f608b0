"""Order commands, with a real controller and a virtual rack."""

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from rack.database import Database
from tests.cli.terminal import Terminal
from tests.controller.api_client import OrderClient
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.forked_program import CapturedProgram, run_program
from tests.helpers.waiting import free_port, wait_until

pytestmark = pytest.mark.process

ORDER_SETTINGS = """
boot_seconds = 60
shutdown_seconds = 30
disk_settle_seconds = 0
off_seconds = 0.5
"""

PAGE = (
    Path("docs/reference/cli.md")
    .read_text(encoding="utf-8")
    .partition("\n## Orders\n")[2]
    .partition("\n## ")[0]
)
EXAMPLES = re.findall(r"^\$ (.+)\n((?:.|\n)*?)```", PAGE, re.MULTILINE)

RunPirack = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(
        tmp_path_factory.mktemp("rack"), orders=ORDER_SETTINGS, boot_seconds=1.0
    ) as process:
        process.start_blackbox()
        process.wait_until_up()
        yield process


@pytest.fixture(scope="module")
def controller(rack_process: RackProcess) -> ControllerProcess:
    return rack_process.start_controller()


@pytest.fixture(scope="module")
def operator(rack_process: RackProcess, controller: ControllerProcess) -> OrderClient:
    return OrderClient(rack_process, controller)


@pytest.fixture(scope="module")
def secrets(rack_process: RackProcess) -> dict[Role, str]:
    """Return a token for each role."""
    tokens = Tokens(Database(rack_process.state_folder / "pirack.db"))
    return {role: tokens.add(f"cli-{role}", role) for role in Role}


@pytest.fixture
def environment(
    controller: ControllerProcess, secrets: dict[Role, str], tmp_path: Path
) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "PIRACK_URL": controller.url,
        "PIRACK_TOKEN": secrets[Role.OPERATOR],
    }


@pytest.fixture
def run(environment: dict[str, str]) -> RunPirack:
    def run_pirack(*arguments: str, **extra_variables: str) -> subprocess.CompletedProcess[str]:
        return run_program("cli", arguments, environment=environment | extra_variables)

    return run_pirack


@pytest.fixture(autouse=True)
def restore_rack(rack_process: RackProcess, operator: OrderClient) -> Iterator[None]:
    """Remove faults and start all rasps after each test."""
    yield
    rack_process.clear_fault("all")
    if set(rack_process.phases.values()) & {"halted", "off"}:
        operator.run_order("rack", action="power_cycle", force=True)
    rack_process.wait_until_up()


def successful_output(completed: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines that a successful command printed."""
    assert (completed.returncode, completed.stderr) == (0, ""), completed.stdout + completed.stderr
    return [line.rstrip() for line in completed.stdout.splitlines()]


def json_output(completed: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(completed.stdout)


def rows_by_target(lines: list[str]) -> dict[str, str]:
    """Return the row of each target in a table."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line[:1].isdigit()}


def test_ping_exits_with_status_1_if_a_rasp_does_not_reply(
    rack_process: RackProcess, run: RunPirack
) -> None:
    assert rows_by_target(successful_output(run("ping", "all"))) == dict.fromkeys(
        rack_process.phases, "ok reachable"
    )
    rack_process.inject_fault("2/1", "dead")
    wait_until(lambda: rack_process.exporters_reachable(2) == [False, True])
    completed = run("ping", "2", "3/1")
    assert completed.returncode == 1
    assert re.fullmatch(
        r"order \d+: ping on 02-1 02-2 03-1: 2 ok, 1 failed", completed.stdout.splitlines()[0]
    )
    assert rows_by_target(completed.stdout.splitlines()) == {
        "02-1": "failed no reply",
        "02-2": "ok reachable",
        "03-1": "ok reachable",
    }


def test_run_reads_alias_by_part_of_its_name(run: RunPirack) -> None:
    rows = rows_by_target(successful_output(run("run", "temperature", "1/1..2")))
    assert all(re.fullmatch(r"ok \d\d(\.\d+)? °C", value) for value in rows.values())
    assert list(rows) == ["01-1", "01-2"]


def test_run_prints_one_line_for_each_sample_of_alias_with_labels(run: RunPirack) -> None:
    lines = successful_output(run("run", "power_condition", "1/1"))
    assert any('{condition="under_voltage",since="now"} 0' in line for line in lines)


def test_run_prints_output_of_action(run: RunPirack) -> None:
    assert "load average" in rows_by_target(successful_output(run("run", "uptime", "3/2")))["03-2"]


def test_ambiguous_name_is_rejected_with_candidates(run: RunPirack) -> None:
    completed = run("run", "memory", "all")
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr == (
        "pirack: 'memory' is ambiguous: use one of memory_available_bytes, memory_total_bytes\n"
    )


def test_unknown_name_is_rejected_with_all_names(run: RunPirack) -> None:
    completed = run("run", "dance", "all")
    assert completed.returncode == 2
    assert "unknown action or alias 'dance': use one of " in completed.stderr
    for name in ("ping", "reboot", "cpu_temperature_celsius"):
        assert f" {name}" in completed.stderr


def test_disruptive_order_without_terminal_requires_yes(
    run: RunPirack, rack_process: RackProcess
) -> None:
    for arguments in (
        ["reboot", "3/2"],
        ["run", "shutdown", "3/2"],
        ["power", "off", "3", "--force"],
    ):
        completed = run(*arguments)
        assert (completed.returncode, completed.stdout) == (2, "")
        assert re.fullmatch(
            r"pirack: \d rasps? goe?s? down: [\d -]+: confirm with --yes\n", completed.stderr
        )
    assert set(rack_process.phases.values()) == {"up"}


def test_reboot_waits_until_rasp_is_up(run: RunPirack, rack_process: RackProcess) -> None:
    rows = rows_by_target(successful_output(run("reboot", "03-2", "--yes")))
    assert list(rows) == ["03-2"]
    assert rows["03-2"].startswith("ok back after ")
    assert rack_process.phases["03-2"] == "up"


def test_power_cycle_restarts_rasp_after_shutdown(
    run: RunPirack, rack_process: RackProcess
) -> None:
    successful_output(run("shutdown", "2/1", "--yes"))
    assert rack_process.phases["02-1"] == "halted"
    successful_output(run("power", "cycle", "2", "--force", "--yes"))
    assert rack_process.phases["02-1"] == "up"


def test_power_switches_stacks_off_and_on(run: RunPirack, rack_process: RackProcess) -> None:
    rows = rows_by_target(successful_output(run("power", "off", "1", "3", "--yes")))
    assert rows["01"].startswith("ok")
    assert rack_process.power == ["off", "on", "off"]
    successful_output(run("power", "on", "1..3"))
    assert rack_process.power == ["on", "on", "on"]


def test_dry_run_lists_affected_rasps_and_switches_no_relay(
    run: RunPirack, rack_process: RackProcess
) -> None:
    moves = rack_process.relay_moves
    lines = successful_output(run("power", "off", "3", "--dry-run", "--force"))
    assert lines[:2] == ["2 rasps go down: 03-1 03-2", "Stacks: 3"]
    assert "power is cut under running systems" in lines[2]
    assert json_output(run("power", "off", "3", "--dry-run", "--json"))["affected"] == [
        "03-1",
        "03-2",
    ]
    assert rack_process.relay_moves == moves


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["power", "off", "3/2", "--yes"],
            "'3/2' selects single rasps, but power is switched per stack: write 3",
        ),
        (
            ["power", "off", "01-2", "--yes"],
            "'01-2' selects single rasps, but power is switched per stack: write 1",
        ),
        (["reboot", "1-2", "--yes"], "1-2 can be a rasp or a range of stacks: write 1/2 for rasp"),
        (["power", "on", "4"], "no stack 4: this rack has stacks 1 to 3"),
        (["ping", "1/9"], "no slot 1/9 (01-9): stack 1 has slots 1 to 2"),
        (["order", "999999"], "no order 999999"),
    ],
)
def test_unknown_target_is_rejected_with_status_2(
    run: RunPirack, arguments: list[str], message: str
) -> None:
    completed = run(*arguments)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr.startswith(f"pirack: {message}")


def test_order_from_viewer_is_rejected_with_status_3(
    run: RunPirack, secrets: dict[Role, str]
) -> None:
    completed = run("reboot", "3/2", "--yes", PIRACK_TOKEN=secrets[Role.VIEWER])
    assert (completed.returncode, completed.stdout) == (3, "")
    assert "rejected the request: " in completed.stderr


@pytest.fixture
def hung_shutdown(rack_process: RackProcess) -> Iterator[Callable[[], None]]:
    """Let the shutdown of 03-2 hang until the returned function is called, or the test ends."""
    rack_process.inject_fault("3/2", "hung-shutdown")
    yield lambda: rack_process.clear_fault("3/2")
    rack_process.clear_fault("3/2")


def test_order_for_reserved_stack_is_rejected_with_name_of_other_order(
    run: RunPirack, hung_shutdown: Callable[[], None]
) -> None:
    [line] = successful_output(run("reboot", "3/2", "--yes", "--no-wait"))
    number = re.match(r"Order (\d+) started: wait for it with `pirack order \1 --watch`", line)
    assert number is not None
    completed = run("power", "off", "3", "--yes", "--force")
    assert completed.returncode == 3
    assert f"order {number[1]}" in completed.stderr
    # The API caches responses for a second.
    wait_until(lambda: f"order {number[1]}: reboot" in successful_output(run("stacks"))[3])
    hung_shutdown()
    assert rows_by_target(successful_output(run("order", number[1], "--watch")))["03-2"].startswith(
        "ok back after "
    )


def test_json_is_the_response_of_the_api(run: RunPirack) -> None:
    order = json_output(run("ping", "1", "--json"))
    assert order["counts"] == {"ok": 2, "failed": 0, "unknown": 0, "pending": 0}
    assert json_output(run("order", str(order["id"]), "--json")) == order
    assert json_output(run("orders", "--limit", "1", "--json")) == [
        {name: value for name, value in order.items() if name != "results"}
    ]
    started = json_output(run("reboot", "1/1", "--yes", "--no-wait", "--json"))
    assert started["state"] == "running"
    assert json_output(run("order", str(started["id"]), "--watch", "--json"))["result"] == "ok"


def test_order_can_be_canceled_only_once(run: RunPirack, hung_shutdown: Callable[[], None]) -> None:
    started = json_output(run("reboot", "3/2", "--yes", "--no-wait", "--json"))
    number = str(started["id"])
    successful_output(run("cancel", number))
    order = json_output(run("order", number, "--watch", "--json"))
    assert order["state"] == "cancelled"
    completed = run("cancel", number)
    assert (completed.returncode, completed.stdout) == (3, "")
    assert f"order {number}" in completed.stderr


def test_orders_and_audit_print_actor(run: RunPirack) -> None:
    successful_output(run("ping", "all"))
    lines = successful_output(run("orders", "--limit", "1"))
    assert lines[0].split() == ["ORDER", "STARTED", "ACTOR", "ACTION", "TARGETS", "RESULT"]
    assert lines[1].endswith("token:cli-operator  ping    1..3/1..2  ok")
    audit = successful_output(run("audit", "-q", "ping", "--limit", "1"))
    assert "token:cli-operator" in audit[1]


def test_confirmation_lists_affected_rasps(
    on_terminal: Callable[..., Terminal], rack_process: RackProcess
) -> None:
    terminal = on_terminal("power", "cycle", "2")
    terminal.read_until("Continue? [y/N]: ")
    assert "2 rasps go down: 02-1 02-2" in terminal.output
    terminal.type("n\n")
    assert "nothing was changed" in terminal.read_all()
    assert terminal.process.returncode == 130
    assert set(rack_process.phases.values()) == {"up"}


def test_terminal_displays_progress_and_then_result(
    on_terminal: Callable[..., Terminal],
) -> None:
    terminal = on_terminal("reboot", "3/2")
    terminal.read_until("Continue? [y/N]: ")
    terminal.type("y\n")
    terminal.read_until("1 pending")
    output = terminal.read_all()
    assert terminal.process.returncode == 0
    assert "back after" in output


def test_order_continues_after_ctrl_c(
    on_terminal: Callable[..., Terminal], run: RunPirack, hung_shutdown: Callable[[], None]
) -> None:
    terminal = on_terminal("reboot", "3/2", "--yes")
    terminal.read_until("1 pending")
    terminal.process.send_signal(signal.SIGINT)
    output = terminal.read_all()
    assert terminal.process.returncode == 130
    hung_shutdown()
    hint = re.search(
        r"order (\d+) continues: wait for it with `pirack order \1 --watch`",
        " ".join(output.split()),
    )
    assert hint is not None
    assert rows_by_target(successful_output(run("order", hint[1], "--watch")))["03-2"].startswith(
        "ok back after "
    )


def test_bash_completes_actions_and_aliases(run: RunPirack) -> None:
    variables = {
        "_PIRACK_COMPLETE": "bash_complete",
        "COMP_CWORD": "2",
        "COMP_WORDS": "pirack run re",
    }
    names = {line.removeprefix("plain,") for line in run(**variables).stdout.split()}
    assert {"reboot", "restart_exporter", "cpu_temperature_celsius"} <= names
    assert "uptime" not in names


def test_completion_prints_nothing_without_controller(run: RunPirack) -> None:
    variables = {
        "_PIRACK_COMPLETE": "bash_complete",
        "COMP_CWORD": "2",
        "COMP_WORDS": "pirack run re",
    }
    completed = run(**variables, PIRACK_URL=f"http://127.0.0.1:{free_port()}")
    assert (completed.stdout.strip(), completed.stderr) == ("", "")


@pytest.mark.parametrize(("line", "expected"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_example_prints_documented_output(run: RunPirack, line: str, expected: str) -> None:
    lines = successful_output(run(*shlex.split(line)[1:]))
    # Without Prometheus, the preview contains a warning about unknown states.
    output = "\n".join(text for text in lines if not text.startswith("the state of these"))
    assert without_numbers(output) == without_numbers(expected)


def without_numbers(text: str) -> list[str]:
    """Return the lines, and replace temperatures, times and order numbers by placeholders."""
    lines = (re.sub(r"(?<![\d-])\d+(\.\d+)?(?![\d-])", "N", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines]


def test_wait_continues_after_restart_of_controller(
    rack_process: RackProcess,
    controller: ControllerProcess,
    operator: OrderClient,
    environment: dict[str, str],
) -> None:
    """This test must be the last one: it stops the controller of the module."""
    arguments = ["power", "cycle", "all", "--yes", "--json"]
    process = CapturedProgram("cli", arguments, environment=environment)
    wait_until(lambda: operator.request("GET", "orders?state=running").json())
    controller.stop(signal.SIGTERM)
    rack_process._start(
        "controller",
        rack_process.controller_arguments(controller.port),
        rack_process.pin_environment,
    )
    out, err = process.communicate()
    assert (process.returncode, err) == (1, "")
    assert json.loads(out)["state"] == "interrupted"
