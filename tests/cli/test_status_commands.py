"""Commands that show the rack, its rasps and stacks, and the master."""

import json
import re
from typing import Any

import pytest

from controller.alerts.received import ReceivedAlerts
from controller.alerts.service import AlertService
from controller.state.model import RaspOperation
from tests.cli.conftest import RunPirack
from tests.controller.fake_alertmanager import AlertJson, active_alert
from tests.controller.fakes import FakeRackState, alert_service_for

pytestmark = pytest.mark.process


def output_lines(run: RunPirack, *arguments: str, status: int = 0) -> list[str]:
    completed = run(*arguments)
    assert (completed.returncode, completed.stderr) == (status, "")
    assert "\x1b" not in completed.stdout
    return [line.rstrip() for line in completed.stdout.splitlines()]


def json_output(run: RunPirack, *arguments: str) -> Any:
    completed = run(*arguments, "--json")
    assert completed.stderr == ""
    return json.loads(completed.stdout)


def first_column(rows: list[str]) -> list[str]:
    return [row.split()[0] for row in rows]


def test_status_without_issues_exits_with_status_0(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"03-2": 48.3}
    assert output_lines(run, "status") == [
        "pirack: 12 stacks, 48 rasps: 48 up; hottest 03-2, 48 °C",
        "No issues.",
    ]


def test_status_lists_most_severe_issue_first_and_exits_with_status_1(
    run: RunPirack, rack_state: FakeRackState, active_alerts: list[AlertJson]
) -> None:
    rack_state.state_values |= {"03-1": 0.0, "03-2": 0.0, "09-1": 3.0, "11-4": 4.0}
    active_alerts += [
        active_alert("PiRackRaspHot", summary="09-1 is hot", severity="warning", stack="09"),
        active_alert("PiRackRaspDown", stack="03", rasp="03-1"),
        active_alert("PiRackRaspDown", stack="03", rasp="03-2"),
        active_alert("PiRackStackDown", summary="Stack 03 is down", stack="03"),
    ]
    lines = output_lines(run, "status", status=1)
    assert lines[0] == "pirack: 12 stacks, 48 rasps: 45 up, 2 down, 1 off"
    rows = [re.split(r" {2,}", line) for line in lines[1:]]
    assert rows[0] == ["SEVERITY", "SINCE", "ISSUE", "EXPLAINS"]
    assert [(row[0], row[2:]) for row in rows[1:]] == [
        ("critical", ["Stack 03 is down", "2 alerts"]),
        ("warning", ["09-1 is hot"]),
    ]


def test_status_counts_rasps_in_an_install_apart_from_those_that_are_down(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.state_values |= {"03-1": 0.0, "03-2": 0.0, "09-1": 0.0}
    rack_state.operations = {9: RaspOperation.INSTALLING, 10: RaspOperation.INSTALLING}
    [summary, _] = output_lines(run, "status")
    assert summary == "pirack: 12 stacks, 48 rasps: 45 up, 1 down, 2 installing"


def test_status_lists_power_that_differs_and_exits_with_status_1(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.power_mismatches = {4: "switched off, but 04-1 still responds"}
    lines = output_lines(run, "status", status=1)
    assert lines[1] == "No issues."
    assert lines[-1].endswith("04-1 04-2 04-3 04-4  switched off, but 04-1 still responds")


class TestStatusWithoutAlertmanager:
    @pytest.fixture
    def alert_service(
        self, received_alerts: ReceivedAlerts, rack_state: FakeRackState
    ) -> AlertService:
        return alert_service_for(received_alerts, rack_state.read)

    def test_status_reports_unknown_issues_and_exits_with_status_1(self, run: RunPirack) -> None:
        lines = output_lines(run, "status", status=1)
        assert lines[1].startswith("Issues may be outdated: Alertmanager at http://127.0.0.1:")
        assert lines[2:] == ["Issues unknown."]


def test_status_without_prometheus_reports_unknown_states_and_issues(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.error = "Prometheus at http://127.0.0.1:9090 cannot be reached"
    lines = output_lines(run, "status", status=1)
    assert lines[0].endswith(": 48 unknown")
    assert lines[1:] == [
        rack_state.error,
        f"Issues may be outdated: {rack_state.error}",
        "Issues unknown.",
    ]


def test_rasps_prints_states_readings_and_reasons(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.temperatures = {"03-2": 48.3}
    rack_state.state_values["07-1"] = 0.0
    table = output_lines(run, "rasps")
    assert table[0].split() == ["RASP", "STATE", "TEMP", "LOAD", "UPTIME", "IP", "REASON"]
    assert len(table) == 49
    assert table[10].split() == ["03-2", "up", "48", "°C", "-", "-", "10.23.3.2"]
    assert table[25].endswith("its exporter does not answer")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["3"], ["03-1", "03-2", "03-3", "03-4"]),
        (["3/2"], ["03-2"]),
        (["1..4/1"], ["01-1", "02-1", "03-1", "04-1"]),
        (["3/2", "1/1"], ["01-1", "03-2"]),
        (["01-2"], ["01-2"]),
        (["rasp-01-2", "12-4"], ["01-2", "12-4"]),
        (["all", "--state", "down"], ["03-2", "07-1"]),
        (["7..9", "--state", "down"], ["07-1"]),
        (["--stack", "7", "--state", "down"], ["07-1"]),
        (["-q", "10.23.3.2"], ["03-2"]),
        (["-q", "1/2"], ["01-2"]),
        (["4", "--stack", "3"], []),
    ],
)
def test_rasps_filters_by_targets_and_options(
    run: RunPirack, rack_state: FakeRackState, arguments: list[str], names: list[str]
) -> None:
    rack_state.state_values |= {"03-2": 0.0, "07-1": 0.0}
    assert first_column(output_lines(run, "rasps", *arguments)[1:]) == names
    assert [rasp["name"] for rasp in json_output(run, "rasps", *arguments)] == names


def test_stacks_prints_number_of_rasps_in_each_state(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.state_values |= {"03-2": 0.0, "03-3": 3.0}
    table = output_lines(run, "stacks")
    assert len(table) == 13
    assert table[3].split(maxsplit=5)[5] == "1 down, 1 hot, 2 up"
    assert [stack["number"] for stack in json_output(run, "stacks")] == list(range(1, 13))


def test_show_prints_details_of_each_rasp(run: RunPirack, rack_state: FakeRackState) -> None:
    rack_state.state_values["03-2"] = 0.0
    details = dict(
        line.split(maxsplit=1) for line in output_lines(run, "show", "3/2") if " name" not in line
    )
    assert details["rasp"] == "03-2"
    assert details["mac"] == "b8:27:eb:00:00:0a"
    assert details["reason"] == "its exporter does not answer"
    assert output_lines(run, "show", "3/2..3").count("") == 1
    assert [rasp["id"] for rasp in json_output(run, "show", "3/2..3")] == [10, 11]


def test_show_prints_uptime_and_offset_of_the_clock(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.uptimes = {"03-1": 200.0, "03-2": 190_000.0, "03-3": 30.0}
    rack_state.boot_times = dict.fromkeys(rack_state.uptimes, 0.0)  # the clocks show 1970
    rack_state.clock_offsets = {"03-1": -1_795_830_000.0, "03-2": 0.3, "03-3": 3600.0}
    details = output_lines(run, "show", "3/1..3")
    assert [line.split(maxsplit=1)[1] for line in details if line.startswith("uptime")] == [
        "0h 3m", "2d 4h", "30s",
    ]  # fmt: skip
    assert [line.split(maxsplit=1)[1] for line in details if line.startswith("clock")] == [
        "20785d 1h behind the master's", "agrees with the master's", "1h 0m ahead of the master's",
    ]  # fmt: skip


def test_master_prints_readings_and_services(run: RunPirack) -> None:
    lines = output_lines(run, "master")
    assert first_column(lines[:1]) == ["master"]
    assert any(line.endswith("GiB available") for line in lines)
    assert json_output(run, "master")["disk_size_bytes"] > 0


def test_json_is_the_response_of_the_api(
    run: RunPirack, rack_state: FakeRackState, active_alerts: list[AlertJson]
) -> None:
    rack_state.state_values["03-2"] = 0.0
    active_alerts.append(active_alert("PiRackRaspDown", stack="03", rasp="03-2"))
    rack = json_output(run, "status")
    assert rack["states"]["down"] == 1
    assert rack["issues"][0]["rasps"] == ["03-2"]
    assert run("status", "--json").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rasps", "13"], "no stack 13: this rack has stacks 1 to 12"),
        (["show", "3/5"], "no slot 3/5 (03-5): stack 3 has slots 1 to 4"),
        (["rasps", "three"], "'three' is not a valid target: write 3 (a stack), 3/2 or 03-2 (a"),
        (
            ["rasps", "1-4"],
            "1-4 can be a rasp or a range of stacks: write 1/4 for rasp 01-4, or 1..4",
        ),
        (
            ["rasps", "01-9"],
            "no slot 1/9 (01-9): stack 1 has slots 1 to 4. Stacks 1 to 9 are written 1..9",
        ),
        (["rasps", "--stack", "13"], "no stack 13: this rack has stacks 1 to 12"),
        (["status", "--watch"], "--watch requires a terminal"),
    ],
)
def test_unknown_target_is_rejected_with_status_2(
    run: RunPirack, arguments: list[str], message: str
) -> None:
    completed = run(*arguments)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr.startswith(f"pirack: {message}")
    assert completed.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["rasps", "--state", "asleep"], ["rasps", "--colour"], ["show"], ["switch"]]
)
def test_invalid_command_line_is_rejected_with_status_2(
    run: RunPirack, arguments: list[str]
) -> None:
    completed = run(*arguments)
    assert completed.returncode == 2
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize(
    ("shell", "text"),
    [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")],
)
def test_completion_prints_script_for_each_shell(run: RunPirack, shell: str, text: str) -> None:
    completed = run("completion", shell)
    assert completed.returncode == 0
    assert text in completed.stdout
    assert "_PIRACK_COMPLETE" in completed.stdout


def test_bash_completes_commands_and_states(run: RunPirack, environment: dict[str, str]) -> None:
    environment |= {"_PIRACK_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    environment["COMP_WORDS"] = "pirack sta"
    assert run().stdout.split() == ["plain,stacks", "plain,status"]
    environment |= {"COMP_WORDS": "pirack rasps --state d", "COMP_CWORD": "3"}
    assert run().stdout.split() == ["plain,down"]


@pytest.mark.parametrize(
    ("word", "targets"),
    [
        ("", ["all", *(f"{number:02}" for number in range(1, 13))]),
        ("03", ["03", "03-1", "03-2", "03-3", "03-4"]),
        ("3/", ["3/1", "3/2", "3/3", "3/4"]),
        ("x", []),
    ],
)
def test_bash_completes_targets(
    run: RunPirack, environment: dict[str, str], word: str, targets: list[str]
) -> None:
    environment |= {"_PIRACK_COMPLETE": "bash_complete", "COMP_CWORD": "2"}
    environment["COMP_WORDS"] = f"pirack show {word}"
    assert run().stdout.split() == [f"plain,{target}" for target in targets]
