"""Tests that each wrong plan gives one line with the file, the key, the problem and a fix."""

import pytest

from controller.errors import PlanError
from tests.controller.experiments.plans import ACTIONS, make_plan

POWER = '[[fault]]\nkind = "power"\npick = "all"\nat = "1 s"\n'
REBOOT = '[[fault]]\nkind = "reboot"\npick = "01-1"\nat = "2 s"\n'
WRONG_PLANS = {
    "nodes = ": "not TOML: ",
    "": 'nodes: missing: set it to "3 stacks", ',
    'nodes = "9 stacks"': "nodes: 9 stacks are more than the 6 available ones: ",
    'nodes = "09-1"': "nodes: no stack 9: this rack has stacks 1 to 6",
    'nodse = "all"': "nodse: unknown key: did you mean 'nodes'?",
    'nodes = "all"\nstart = "run"': "start: aliases.ini has no action 'run': use one of",
    'nodes = "all"\ncheck = "sett"': "check.kind: 'sett' is not valid (",
    'nodes = "all"\ncheck = { kind = "command" }': "check.command: missing: ",
    f'nodes = "2 stacks"\n{POWER}': "fault[1].off: missing: set it to the time without",
    f'nodes = "2 stacks"\n{REBOOT}off = "2 s"': "fault[1].off: the kind reboot does not",
    f'nodes = "2 stacks"\n{POWER}off = "0 s"': "fault[1].off: 0 s is no power cut: ",
    f'nodes = "5 stacks"\n{POWER}off = "2 s"': (
        "fault[1].pick: with seed 7, 10 rasps would boot at the same time, but"
        " orders.max_booting is 8: pick fewer rasps, or increase orders.max_booting in rack.toml"
    ),
    f'nodes = "2 stacks"\n{POWER}off = "2 s"\n{REBOOT}': (
        "fault[2].at: with seed 7, faults 1 and 2 overlap on stack 1: start fault 2 after"
        " 3.000 s, or pick other stacks"
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("01-1", "03-1")}': (
        "fault[1].pick: 03-1 is not a node of this plan: pick from 01-1, 01-2, 02-1,"
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("01-1", "leader")}': (
        "fault[1].pick: 'leader' picks nothing: use "
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("reboot", "action")}': (
        "fault[1].action: missing: use one of kill_raft, "
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("2 s", "9..2 s")}': (
        "fault[1].at: '9..2 s' is not valid (it ends before it starts): set it to"
    ),
    'nodes = "all"\n[place.leader]\ncmd = "x"': "place.leader.cmd: unknown key: did you",
    f'nodes = "2 stacks"\n{REBOOT.replace("2 s", "2")}': (
        "fault[1].at: '2' is not valid (it is not a time with a unit: ms, s, min or h): "
    ),
    f'nodes = "2 stacks"\n{REBOOT}'.replace('"2 s"', "2"): (
        "fault[1].at: 2 is not valid (input should be a valid string): set it to"
    ),
    f'nodes = "2 stacks"\n{REBOOT}'.replace("2 s", "25 h"): (
        "fault[1].at: '25 h' is not valid (it is longer than 24 h): "
    ),
    f'nodes = "2 stacks"\n{POWER}off = "2 s"\naction = "kill_raft"': (
        "fault[1].action: the kind power has no action: remove the key"
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("01-1", "random 5 rasps")}': (
        "fault[1].pick: 5 rasps are more than the 4 among the nodes: pick at most 4 rasps"
    ),
    f'nodes = "2 stacks"\n{POWER.replace("all", "minority")}off = "2 s"': (
        "fault[1].pick: 2 stacks have no minority: select at least 3 stacks as nodes"
    ),
    'nodes = "all"\nwithin = "0 s"': "within: '0 s' is not valid (it is not above 0 s): ",
    'nodes = "all"\nwithin = "1..2 s"': "within: '1..2 s' is not valid (it is a range): ",
    'nodes = "all"\nstart = "reboot"': "start: the action 'reboot' takes rasps down: use",
    'nodes = "all"\nstart = "ping"': "start: aliases.ini has no action 'ping': use one of",
    'nodes = "all"\ncheck = 3': "check: 3 is not valid (",
    'nodes = "all"\ncheck = "set"': 'client: missing, but check = "set" needs its',
    'nodes = "all"\n[check]\nkind = "none"\nquery = "up"': (
        "check.query: the kind none has no query: remove the key, or set kind to"
    ),
    'nodes = "all"\n[fault]\nkind = "power"': "fault: {'kind': 'power'} is not valid (",
    'nodes = "all"\n[place.all]\ncommand = "x"': "place.all: the name of a place is not",
    'nodes = "all"\n[place."a\\nb"]\ncommand = "x"': "place.'a\\nb': the name of a place",
    'nodes = "all"\n"a\\nb" = 1': "'a\\nb': unknown key: remove it",
    'nodes = "all"\n[abort]\ntemperature = nan': "abort.temperature: nan is not valid (",
    f"nodes = {'1' * 5000}": "not TOML: Exceeds the limit",
    f"nodes = {'[' * 5000}": "not TOML: maximum recursion depth exceeded",
    'nodes = "all"\n[[probe]]\n': (
        "probe[1]: {} is not valid (write exactly one of promql, http and command): "
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG_PLANS.items(), ids=range(len(WRONG_PLANS)))
def test_wrong_plan_gives_one_line_with_file_key_and_fix(text: str, expected: str) -> None:
    with pytest.raises(PlanError) as raised:
        make_plan(text)
    message = str(raised.value)
    assert message.startswith(f"raft.toml: {expected}")
    assert raised.value.hint
    assert len(message.splitlines()) == 1


def test_nodes_must_be_reserved() -> None:
    with pytest.raises(PlanError, match="nodes: 3 stacks are more than the 2 available ones"):
        make_plan('nodes = "3 stacks"', reserved=[4, 5])
    with pytest.raises(PlanError, match="selects stack 1, which is not reserved: select from"):
        make_plan('nodes = "stacks 1-2"', reserved=[4, 5])
    assert make_plan('nodes = "2 stacks"', reserved=[4, 5]).stacks == (4, 5)


@pytest.mark.parametrize("kind", ["reboot", "shutdown"])
def test_kinds_that_need_an_action_name_it(kind: str) -> None:
    off = 'off = "2 s"' if kind == "shutdown" else ""
    text = f'nodes = "2 stacks"\n[[fault]]\nkind = "{kind}"\npick = "01-1"\nat = "1 s"\n{off}'
    with pytest.raises(PlanError, match=rf"fault\[1\].kind: aliases.ini has no action {kind}, "):
        make_plan(text, actions=ACTIONS)
    assert make_plan(text).faults[0].kind == kind


@pytest.mark.parametrize("seed", [-1, 2**53])
def test_seed_is_exact_in_json(seed: int) -> None:
    with pytest.raises(PlanError, match=f"seed {seed} is not valid: use a seed from 0 to"):
        make_plan('nodes = "all"', seed)


@pytest.mark.parametrize("file", ["", "a b.toml", "x" * 70, ".toml/"])
def test_name_of_the_file_is_a_valid_name(file: str) -> None:
    with pytest.raises(PlanError, match="the file name is not valid: use letters"):
        make_plan('nodes = "all"', file=file)
