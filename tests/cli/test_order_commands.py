"""Orders from a terminal and from scripts, by the real controller on a virtual rack."""

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
from tests.cli.terminal import PIRACK, Terminal
from tests.controller.api_client import OrderClient
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import free_port, wait_until

ORDER_SETTINGS = """
boot_seconds = 8
shutdown_seconds = 4
disk_settle_seconds = 0
off_seconds = 0.5
"""

PAGE = (
    Path("docs/cli.md")
    .read_text(encoding="utf-8")
    .partition("\n## Orders\n")[2]
    .partition("\n## ")[0]
)
EXAMPLES = re.findall(r"^\$ (.+)\n((?:.|\n)*?)```", PAGE, re.MULTILINE)

RunPirack = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(
        tmp_path_factory.mktemp("room"), orders=ORDER_SETTINGS, boot_seconds=1.0
    ) as room:
        room.start_blackbox()
        wait_until(lambda: set(room.phases.values()) == {"up"})
        yield room


@pytest.fixture(scope="module")
def controller(rack_process: RackProcess) -> ControllerProcess:
    return rack_process.start_controller()


@pytest.fixture(scope="module")
def operator(rack_process: RackProcess, controller: ControllerProcess) -> OrderClient:
    return OrderClient(rack_process, controller)


@pytest.fixture(scope="module")
def secrets(rack_process: RackProcess) -> dict[Role, str]:
    """A token for each role."""
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
    def run_pirack(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PIRACK, *words],
            env=environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_pirack


@pytest.fixture(autouse=True)
def restore_rack(rack_process: RackProcess, operator: OrderClient) -> Iterator[None]:
    """Whatever a test did to the rack, the next one finds all rasps up."""
    yield
    rack_process.clear_fault("all")
    if set(rack_process.phases.values()) & {"halted", "off"}:
        operator.run_order("rack", action="power_cycle", force=True)
    wait_until(lambda: set(rack_process.phases.values()) == {"up"})


def successful_output(completed: subprocess.CompletedProcess[str]) -> list[str]:
    """What a command prints that goes well, line by line."""
    assert (completed.returncode, completed.stderr) == (0, ""), completed.stdout + completed.stderr
    return [line.rstrip() for line in completed.stdout.splitlines()]


def json_output(completed: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(completed.stdout)


def rows_by_target(lines: list[str]) -> dict[str, str]:
    """What a table of targets says of each."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line[:1].isdigit()}


def test_a_ping_tells_who_answers_and_the_status_is_1_where_one_does_not(
    rack_process: RackProcess, run: RunPirack
) -> None:
    assert rows_by_target(successful_output(run("ping", "all"))) == dict.fromkeys(
        rack_process.phases, "ok answers"
    )
    rack_process.inject_fault("2/1", "dead")
    wait_until(lambda: rack_process.exporters_reachable(2) == [False, True])
    done = run("ping", "2", "3/1")
    assert done.returncode == 1
    assert re.fullmatch(
        r"order \d+: ping of 02-1 02-2 03-1: 2 ok, 1 failed", done.stdout.splitlines()[0]
    )
    assert rows_by_target(done.stdout.splitlines()) == {
        "02-1": "failed no answer",
        "02-2": "ok answers",
        "03-1": "ok answers",
    }


def test_an_alias_is_read_by_a_part_of_its_name(run: RunPirack) -> None:
    told = rows_by_target(successful_output(run("run", "temperature", "1/1-2")))
    assert all(re.fullmatch(r"ok \d\d(\.\d+)?", value) for value in told.values())
    assert list(told) == ["01-1", "01-2"]


def test_an_alias_with_labels_prints_a_line_for_each(run: RunPirack) -> None:
    lines = successful_output(run("run", "power_condition", "1/1"))
    assert any('{condition="under_voltage",since="now"} 0' in line for line in lines)


def test_an_action_prints_what_the_rasp_said(run: RunPirack) -> None:
    assert "load average" in rows_by_target(successful_output(run("run", "uptime", "3/2")))["03-2"]


def test_a_name_that_several_have_is_refused_with_the_candidates(run: RunPirack) -> None:
    done = run("run", "memory", "all")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "pirack: 'memory' may be any of memory_available_bytes, memory_total_bytes:"
        " write more of it\n"
    )


def test_a_name_that_nobody_has_is_refused_with_all_there_are(run: RunPirack) -> None:
    done = run("run", "dance", "all")
    assert done.returncode == 2
    assert "there is no action or alias 'dance': write one of " in done.stderr
    for name in ("ping", "reboot", "cpu_temperature_celsius"):
        assert f" {name}" in done.stderr


def test_a_script_says_yes_before_it_takes_rasps_down(
    run: RunPirack, rack_process: RackProcess
) -> None:
    for words in (["reboot", "3/2"], ["run", "shutdown", "3/2"], ["power", "off", "3", "--force"]):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(
            r"pirack: it would take down \d rasps: [\d -]+: add --yes if it may\n", done.stderr
        )
    assert set(rack_process.phases.values()) == {"up"}


def test_a_reboot_is_followed_until_the_rasp_is_back(
    run: RunPirack, rack_process: RackProcess
) -> None:
    told = rows_by_target(successful_output(run("reboot", "3/2", "--yes")))
    assert told["03-2"].startswith("ok back after ")
    assert rack_process.phases["03-2"] == "up"


def test_a_shutdown_halts_and_a_power_cycle_brings_back(
    run: RunPirack, rack_process: RackProcess
) -> None:
    successful_output(run("shutdown", "2/1", "--yes"))
    assert rack_process.phases["02-1"] == "halted"
    successful_output(run("power", "cycle", "2", "--force", "--yes"))
    assert rack_process.phases["02-1"] == "up"


def test_power_goes_off_and_on_again_stack_by_stack(
    run: RunPirack, rack_process: RackProcess
) -> None:
    told = rows_by_target(successful_output(run("power", "off", "1", "3", "--yes")))
    assert told["01"].startswith("ok")
    assert rack_process.power == ["off", "on", "off"]
    successful_output(run("power", "on", "1-3"))
    assert rack_process.power == ["on", "on", "on"]


def test_a_dry_run_tells_what_would_go_down_and_does_nothing(
    run: RunPirack, rack_process: RackProcess
) -> None:
    moves = rack_process.relay_moves
    lines = successful_output(run("power", "off", "3", "--dry-run", "--force"))
    assert lines[:2] == ["It takes down 2 rasps: 03-1 03-2", "Stacks: 3"]
    assert "power is cut under running systems" in lines[2]
    assert json_output(run("power", "off", "3", "--dry-run", "--json"))["takes_down"] == [
        "03-1",
        "03-2",
    ]
    assert rack_process.relay_moves == moves


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["power", "off", "3/2", "--yes"], "3/2: power is a whole stack's: write 3"),
        (["power", "on", "4"], "no stack 4: this rack has stacks 1 to 3"),
        (["ping", "1/9"], "no slot 1/9: stack 1 has slots 1 to 2"),
        (["order", "999999"], "no order 999999"),
    ],
)
def test_what_is_not_there_is_named_with_status_2(
    run: RunPirack, words: list[str], told: str
) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"pirack: {told}")


def test_a_viewer_is_refused_with_status_3(run: RunPirack, secrets: dict[Role, str]) -> None:
    done = run("reboot", "3/2", "--yes", PIRACK_TOKEN=secrets[Role.VIEWER])
    assert (done.returncode, done.stdout) == (3, "")
    assert "refuses: " in done.stderr


def test_a_stack_that_is_busy_is_refused_and_the_order_in_the_way_named(run: RunPirack) -> None:
    begun = run("reboot", "3/2", "--yes", "--no-wait")
    [told] = successful_output(begun)
    number = re.match(r"Order (\d+) runs: `pirack order \1 --watch` follows it", told)
    assert number is not None
    done = run("power", "off", "3", "--yes", "--force")
    assert done.returncode == 3
    assert f"order {number[1]}" in done.stderr
    # What the controller tells of a stack may be a second old.
    wait_until(lambda: f"order {number[1]}: reboot" in successful_output(run("stacks"))[3])
    assert rows_by_target(successful_output(run("order", number[1], "--watch")))["03-2"].startswith(
        "ok back after "
    )


def test_json_is_the_apis_own_answer(run: RunPirack) -> None:
    order = json_output(run("ping", "1", "--json"))
    assert order["counts"] == {"ok": 2, "failed": 0, "unknown": 0, "waiting": 0}
    assert json_output(run("order", str(order["id"]), "--json")) == order
    assert json_output(run("orders", "--newest", "1", "--json")) == [order]
    begun = json_output(run("reboot", "1/1", "--yes", "--no-wait", "--json"))
    assert begun["state"] == "running"
    assert json_output(run("order", str(begun["id"]), "--watch", "--json"))["result"] == "ok"


def test_an_order_can_be_cancelled_once(run: RunPirack) -> None:
    begun = json_output(run("power", "cycle", "all", "--yes", "--no-wait", "--json"))
    number = str(begun["id"])
    successful_output(run("cancel", number))
    over = json_output(run("order", number, "--watch", "--json"))
    assert over["state"] == "cancelled"
    done = run("cancel", number)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"order {number}" in done.stderr


def test_orders_and_audit_tell_who_did_what(run: RunPirack) -> None:
    successful_output(run("ping", "all"))
    newest = successful_output(run("orders", "--newest", "1"))
    assert newest[0].split() == ["ORDER", "BEGAN", "WHO", "ACTION", "TARGETS", "STATE", "RESULT"]
    assert "token:cli-operator" in newest[1]
    assert newest[1].endswith("01-1 01-2 02-1 02-2 and 2 more  done   ok")
    audit = successful_output(run("audit", "-q", "ping", "--newest", "1"))
    assert "token:cli-operator" in audit[1]


def test_on_a_terminal_people_are_asked_with_the_names_of_what_it_hits(
    on_terminal: Callable[..., Terminal], rack_process: RackProcess
) -> None:
    terminal = on_terminal("power", "cycle", "2")
    terminal.read_until("Go on? [y/N]: ")
    assert "It takes down 2 rasps: 02-1 02-2" in terminal.output
    terminal.type("n\n")
    assert "nothing was done" in terminal.read_all()
    assert terminal.process.returncode == 130
    assert set(rack_process.phases.values()) == {"up"}


def test_on_a_terminal_the_progress_is_shown_and_then_the_result(
    on_terminal: Callable[..., Terminal],
) -> None:
    terminal = on_terminal("reboot", "3/2")
    terminal.read_until("Go on? [y/N]: ")
    terminal.type("y\n")
    terminal.read_until("1 to go")
    shown = terminal.read_all()
    assert terminal.process.returncode == 0
    assert "back after" in shown


def test_ctrl_c_leaves_the_order_running_and_tells_its_number(
    on_terminal: Callable[..., Terminal], rack_process: RackProcess, run: RunPirack
) -> None:
    terminal = on_terminal("reboot", "3/2", "--yes")
    terminal.read_until("1 to go")
    terminal.process.send_signal(signal.SIGINT)
    shown = terminal.read_all()
    assert terminal.process.returncode == 130
    told = re.search(r"order (\d+) goes on: `pirack order \1 --watch`", " ".join(shown.split()))
    assert told is not None
    assert rows_by_target(successful_output(run("order", told[1], "--watch")))["03-2"].startswith(
        "ok back after "
    )


def test_bash_completes_actions_and_aliases_where_a_controller_answers(run: RunPirack) -> None:
    words = {"_PIRACK_COMPLETE": "bash_complete", "COMP_CWORD": "2", "COMP_WORDS": "pirack run re"}
    found = {line.removeprefix("plain,") for line in run(**words).stdout.split()}
    assert {"reboot", "restart_exporter", "cpu_temperature_celsius"} <= found
    assert "uptime" not in found


def test_completion_is_silent_where_no_controller_answers(run: RunPirack) -> None:
    words = {"_PIRACK_COMPLETE": "bash_complete", "COMP_CWORD": "2", "COMP_WORDS": "pirack run re"}
    done = run(**words, PIRACK_URL=f"http://127.0.0.1:{free_port()}")
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize(("line", "printed"), EXAMPLES, ids=[line for line, _ in EXAMPLES])
def test_an_example_of_the_page_prints_what_it_shows(
    run: RunPirack, line: str, printed: str
) -> None:
    lines = successful_output(run(*shlex.split(line)[1:]))
    # There is no Prometheus here that would know how rasps are.
    shown = "\n".join(each for each in lines if not each.startswith("nobody can tell"))
    assert without_numbers(shown) == without_numbers(printed)


def without_numbers(text: str) -> list[str]:
    """Text with its temperatures, times and order numbers left out."""
    lines = (re.sub(r"(?<![\d-])\d+(\.\d+)?(?![\d-])", "N", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines]


def test_an_order_is_followed_over_a_new_start_of_the_controller_which_interrupts_it(
    rack_process: RackProcess,
    controller: ControllerProcess,
    operator: OrderClient,
    environment: dict[str, str],
) -> None:
    """Last of all: the controller of the other tests ends."""
    words = ["power", "cycle", "all", "--yes", "--json"]
    with subprocess.Popen(
        [PIRACK, *words], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        wait_until(lambda: operator.request("GET", "orders?state=running").json())
        controller.stop(signal.SIGTERM)
        rack_process._start(
            "controller",
            rack_process.controller_arguments(controller.port),
            rack_process.pin_environment,
        )
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")
    assert json.loads(out)["state"] == "interrupted"
