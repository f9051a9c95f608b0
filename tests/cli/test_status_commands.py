"""What `pirack` tells of a rack."""

import json
from typing import Any

import pytest

from tests.cli.conftest import RunPirack
from tests.controller.fakes import FakeRackState


def output_lines(run: RunPirack, *arguments: str, status: int = 0) -> list[str]:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (status, "")
    assert "\x1b" not in done.stdout
    return [line.rstrip() for line in done.stdout.splitlines()]


def json_output(run: RunPirack, *arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.stderr == ""
    return json.loads(done.stdout)


def first_column(rows: list[str]) -> list[str]:
    return [row.split()[0] for row in rows]


def test_a_rack_that_is_well_says_so_and_the_status_is_0(
    run: RunPirack, world: FakeRackState
) -> None:
    world.temperatures = {"03-2": 48.3}
    assert output_lines(run, "status") == [
        "pirack: 12 stacks, 48 rasps: 48 up; hottest 03-2, 48 °C",
        "Nothing needs care.",
    ]


def test_what_needs_care_is_told_the_worst_first_and_the_status_is_1(
    run: RunPirack, world: FakeRackState
) -> None:
    world.state_values |= {"03-2": 0.0, "07-1": 0.0, "09-1": 3.0, "11-4": 4.0}
    told = output_lines(run, "status", status=1)
    assert told[0] == "pirack: 12 stacks, 48 rasps: 45 up, 2 down, 1 off"
    assert told[1].split(maxsplit=3) == ["down", "03-2", "07-1", "its exporter does not answer"]
    assert told[2].split() == ["hot", "09-1"]


def test_without_prometheus_status_says_that_nobody_can_tell(
    run: RunPirack, world: FakeRackState
) -> None:
    world.error = "Prometheus at http://127.0.0.1:9090 cannot be reached"
    told = output_lines(run, "status", status=1)
    assert told[0].endswith(": 48 unknown")
    assert told[1] == world.error


def test_rasps_are_listed_with_state_readings_and_why(run: RunPirack, world: FakeRackState) -> None:
    world.temperatures = {"03-2": 48.3}
    world.state_values["07-1"] = 0.0
    table = output_lines(run, "rasps")
    assert table[0].split() == ["RASP", "STATE", "TEMP", "LOAD", "UP", "FOR", "IP", "WHY"]
    assert len(table) == 49
    assert table[10].split() == ["03-2", "up", "48", "°C", "-", "-", "10.23.3.2"]
    assert table[25].endswith("its exporter does not answer")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["3"], ["03-1", "03-2", "03-3", "03-4"]),
        (["3/2"], ["03-2"]),
        (["1-4/1"], ["01-1", "02-1", "03-1", "04-1"]),
        (["3/2", "1/1"], ["01-1", "03-2"]),
        (["all", "--state", "down"], ["03-2", "07-1"]),
        (["7-9", "--state", "down"], ["07-1"]),
        (["--stack", "7", "--state", "down"], ["07-1"]),
        (["-q", "10.23.3.2"], ["03-2"]),
        (["4", "--stack", "3"], []),
    ],
)
def test_targets_and_options_narrow_the_list(
    run: RunPirack, world: FakeRackState, words: list[str], found: list[str]
) -> None:
    world.state_values |= {"03-2": 0.0, "07-1": 0.0}
    assert first_column(output_lines(run, "rasps", *words)[1:]) == found
    assert [rasp["name"] for rasp in json_output(run, "rasps", *words)] == found


def test_stacks_are_listed_with_power_place_and_how_their_rasps_are(
    run: RunPirack, world: FakeRackState
) -> None:
    world.state_values |= {"03-2": 0.0, "03-3": 3.0}
    table = output_lines(run, "stacks")
    assert len(table) == 13
    assert table[3].split(maxsplit=4)[4] == "1 down, 1 hot, 2 up"
    assert [stack["number"] for stack in json_output(run, "stacks")] == list(range(1, 13))


def test_show_tells_all_of_each_rasp(run: RunPirack, world: FakeRackState) -> None:
    world.state_values["03-2"] = 0.0
    told = dict(
        line.split(maxsplit=1) for line in output_lines(run, "show", "3/2") if " name" not in line
    )
    assert told["rasp"] == "03-2"
    assert told["mac"] == "b8:27:eb:00:00:0a"
    assert told["why"] == "its exporter does not answer"
    assert output_lines(run, "show", "3/2-3").count("") == 1
    assert [rasp["id"] for rasp in json_output(run, "show", "3/2-3")] == [10, 11]


def test_the_master_tells_how_it_and_its_services_are(run: RunPirack) -> None:
    told = output_lines(run, "master")
    assert first_column(told[:1]) == ["master"]
    assert any(line.endswith("GiB free") for line in told)
    assert json_output(run, "master")["disk_size_bytes"] > 0


def test_a_program_gets_the_apis_own_answer(run: RunPirack, world: FakeRackState) -> None:
    world.state_values["03-2"] = 0.0
    rack = json_output(run, "status")
    assert rack["states"]["down"] == 1
    assert rack["care"][0]["rasps"] == ["03-2"]
    assert run("status", "--json").returncode == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rasps", "13"], "no stack 13: this rack has stacks 1 to 12"),
        (["show", "3/5"], "no slot 3/5: stack 3 has slots 1 to 4"),
        (["rasps", "three"], "'three' names no place: write 3 (a stack), 3/2 (a slot)"),
        (["rasps", "--stack", "13"], "no stack 13: this rack has stacks 1 to 12"),
        (["status", "--watch"], "--watch is for terminals"),
    ],
)
def test_what_is_not_there_is_named_in_one_line_and_the_status_is_2(
    run: RunPirack, words: list[str], told: str
) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"pirack: {told}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["rasps", "--state", "asleep"], ["rasps", "--colour"], ["show"], ["switch"]]
)
def test_a_wrong_command_line_is_refused_with_status_2(run: RunPirack, words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("shell", "word"),
    [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")],
)
def test_each_shell_gets_a_script_that_completes(run: RunPirack, shell: str, word: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert word in done.stdout
    assert "_PIRACK_COMPLETE" in done.stdout


def test_bash_completes_commands_options_and_states(
    run: RunPirack, environment: dict[str, str]
) -> None:
    environment |= {"_PIRACK_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    environment["COMP_WORDS"] = "pirack sta"
    assert run().stdout.split() == ["plain,stacks", "plain,status"]
    environment |= {"COMP_WORDS": "pirack rasps --state d", "COMP_CWORD": "3"}
    assert run().stdout.split() == ["plain,down"]
