"""Tests of plan files, and of their expansion to plans."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.experiments.expansion import RackContext, expand, resolve_fault
from controller.experiments.picking import PickError
from controller.experiments.plan import Plan, plan_from_json
from controller.experiments.plan_file import PlanError, Span, parse_plan_file, parse_span
from rack.layout_file import parse
from tests.helpers.layouts import layout_text

RACK = parse(layout_text(6))
ACTIONS = ("kill_raft", "start_raft", "stop_raft")
GOLDEN = Path(__file__).with_name("raft_seed_7.json")
RAFT = """
nodes  = "3 stacks"
start  = "start_raft"
stop   = "stop_raft"
client = "./load {nodes} {history}"
check  = "set"

[[fault]]
kind = "power"
pick = "random 1 stack"
at   = "10..40 s"
off  = "2..4 s"
"""


def make_plan(
    text: str, seed: int = 7, *, reserved: Sequence[int] | None = None, file: str = "raft.toml"
) -> Plan:
    context = RackContext(RACK, ACTIONS, reserved or range(1, 7), reserved)
    return expand(parse_plan_file(text, file), file, seed, context)


def test_plan_of_a_seed_is_the_same_byte_for_byte() -> None:
    plan = make_plan(RAFT)
    assert plan.canonical_json == GOLDEN.read_text().strip()
    assert plan.hash == "953efc6943761656555b1fe6e46819730cc593618cca677b54e80815d54a21e4"
    assert plan_from_json(plan.canonical_json) == plan


def test_seeds_draw_different_times_and_stacks() -> None:
    faults = [make_plan(RAFT, seed).faults[0] for seed in range(50)]
    assert len({fault.at for fault in faults}) > 45
    assert {fault.stacks for fault in faults} == {(1,), (2,), (3,)}
    assert all(10 <= fault.at <= 40 and 2 <= (fault.seconds_off or 0) <= 4 for fault in faults)


def test_power_cut_takes_whole_stacks_down() -> None:
    text = 'nodes = "03-2 04-1"\n[[fault]]\nkind = "power"\npick = "03-2"\nat = "1 s"\noff = "2 s"'
    plan = make_plan(text)
    assert plan.nodes == ("03-2", "04-1")
    assert plan.faults[0].rasps == plan.goes_down == ("03-1", "03-2")


@pytest.mark.parametrize(
    ("pick", "kind", "rasps"),
    [
        ("all", "reboot", 6),
        ("majority", "reboot", 4),
        ("minority", "reboot", 2),
        ("majority", "power", 4),
        ("minority", "power", 2),
        ("random 2 stacks", "power", 4),
        ("random 2 stacks", "reboot", 4),
        ("random 5 rasps", "reboot", 5),
        ("stacks 1-2", "power", 4),
        ("01-1,02-2", "reboot", 2),
    ],
)
def test_pick_selects_rasps_of_the_nodes(pick: str, kind: str, rasps: int) -> None:
    off = 'off = "1 s"' if kind == "power" else ""
    fault = f'[[fault]]\nkind = "{kind}"\npick = "{pick}"\nat = "1 s"\n{off}'
    plan = make_plan(f'nodes = "3 stacks"\n{fault}')
    assert len(plan.faults[0].rasps) == rasps
    assert set(plan.faults[0].rasps) <= set(plan.nodes)


def test_each_in_turn_is_one_fault_after_the_other() -> None:
    fault = '[[fault]]\nkind = "power"\npick = "each in turn"\nat = "5 s"\noff = "2 s"'
    plan = make_plan(f'nodes = "3 stacks"\n{fault}')
    assert [(each.number, each.at, each.stacks) for each in plan.faults] == [
        (1, 5.0, (1,)), (2, 12.0, (2,)), (3, 19.0, (3,))
    ]  # fmt: skip


def test_place_is_resolved_at_run_time_and_recorded_for_a_replay() -> None:
    text = RAFT.replace("random 1 stack", "leader") + '[place.leader]\ncommand = "./leader {nodes}"'
    plan = make_plan(text)
    [fault] = plan.faults
    assert (fault.place, fault.stacks, plan.goes_down) == ("leader", (), plan.nodes)
    address = str(RACK.stack(2).slots[0].address)
    [resolved] = resolve_fault(plan, 1, [address], RACK).faults
    assert (resolved.place, resolved.stacks, resolved.rasps) == ("", (2,), ("02-1", "02-2"))
    assert resolved.at == fault.at
    with pytest.raises(PickError, match="'04-1' is not a node"):
        resolve_fault(plan, 1, ["04-1"], RACK)


@given(st.integers(0, 2**53 - 1), st.sampled_from(["random 1 stack", "minority", "each in turn"]))
def test_faults_never_overlap_and_stay_among_the_nodes(seed: int, pick: str) -> None:
    fault = f'[[fault]]\nkind = "power"\npick = "{pick}"\nat = "1..9 s"\noff = "2..4 s"\n'
    try:
        plan = make_plan(f'nodes = "4 stacks"\n{fault}{fault}', seed)
    except PlanError as error:
        assert "overlap on stack" in str(error)  # noqa: PT017 - most seeds do not overlap
        return
    assert list(plan.faults) == sorted(plan.faults, key=lambda each: each.at)
    for one, other in combinations(plan.faults, 2):
        assert one.ends_at < other.at or set(one.stacks).isdisjoint(other.stacks)
    assert {name for each in plan.faults for name in each.rasps} <= set(plan.nodes)


@pytest.mark.parametrize(
    ("text", "expected"), [("10 s", (10, 10)), ("0.5..1 min", (30, 60)), ("50ms", (0.05, 0.05))]
)
def test_durations_have_units(text: str, expected: tuple[float, float]) -> None:
    assert parse_span(text) == Span(*expected)


POWER = '[[fault]]\nkind = "power"\npick = "all"\nat = "1 s"\n'
REBOOT = '[[fault]]\nkind = "reboot"\npick = "01-1"\nat = "2 s"\n'
WRONG_PLANS = {
    "nodes = ": "raft.toml: not TOML: ",
    "": 'raft.toml: nodes: missing: set it to "3 stacks", ',
    'nodes = "9 stacks"': "raft.toml: nodes: 9 stacks are more than the 6 available ones: ",
    'nodes = "09-1"': "raft.toml: nodes: no stack 9: this rack has stacks 1 to 6",
    'nodse = "all"': "raft.toml: nodse: unknown key: did you mean 'nodes'?",
    'nodes = "all"\nstart = "run"': "raft.toml: start: aliases.ini has no action 'run': use one of",
    'nodes = "all"\ncheck = "sett"': "raft.toml: check.kind: 'sett' is not valid (",
    'nodes = "all"\ncheck = { kind = "command" }': "raft.toml: check.command: missing: ",
    f'nodes = "2 stacks"\n{POWER}': "raft.toml: fault[1].off: missing: set it to the time without",
    f'nodes = "2 stacks"\n{REBOOT}off = "2 s"': "raft.toml: fault[1].off: the kind reboot does not",
    f'nodes = "2 stacks"\n{POWER}off = "0 s"': "raft.toml: fault[1].off: 0 s is no power cut: ",
    f'nodes = "5 stacks"\n{POWER}off = "2 s"': (
        "raft.toml: fault[1].pick: 10 rasps would boot at the same time, but orders.max_booting is"
        " 8: pick fewer rasps, or raise orders.max_booting in rack.toml"
    ),
    f'nodes = "2 stacks"\n{POWER}off = "2 s"\n{REBOOT}': (
        "raft.toml: fault: with seed 7, faults 1 and 2 overlap on stack 1: let fault 2 start after"
        " 3 s, or pick other stacks"
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("01-1", "03-1")}': (
        "raft.toml: fault[1].pick: 03-1 is not a node of this plan: pick from 01-1, 01-2, 02-1,"
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("01-1", "leader")}': (
        "raft.toml: fault[1].pick: 'leader' picks nothing: use "
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("reboot", "action")}': (
        "raft.toml: fault[1].action: missing: use one of kill_raft, "
    ),
    f'nodes = "2 stacks"\n{REBOOT.replace("2 s", "9..2 s")}': (
        "raft.toml: fault[1].at: '9..2 s' is not valid ('9..2 s' ends before it starts): set it to"
    ),
    'nodes = "all"\n[place.leader]\ncmd = "x"': "raft.toml: place.leader.cmd: unknown key: did you",
    'nodes = "all"\n[[probe]]\n': (
        "raft.toml: probe[1]: {} is not valid (write exactly one of promql, http and command): "
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG_PLANS.items())
def test_wrong_plan_gives_one_line_with_file_key_and_fix(text: str, expected: str) -> None:
    with pytest.raises(PlanError) as raised:
        make_plan(text)
    message = str(raised.value)
    assert message.startswith(expected)
    assert "\n" not in message.removeprefix("raft.toml: not TOML: ")


def test_nodes_must_be_reserved() -> None:
    with pytest.raises(PlanError, match="nodes: 3 stacks are more than the 2 available ones"):
        make_plan('nodes = "3 stacks"', reserved=[4, 5])
    with pytest.raises(PlanError, match="selects stack 1, which is not reserved: select from"):
        make_plan('nodes = "stacks 1-2"', reserved=[4, 5])
    assert make_plan('nodes = "2 stacks"', reserved=[4, 5]).stacks == (4, 5)


def test_canonical_json_has_sorted_keys_and_only_ascii() -> None:
    fields = json.loads(make_plan(RAFT).canonical_json)
    assert list(fields) == sorted(fields)
    assert make_plan(RAFT).canonical_json.isascii()
