"""Tests of plan files, and of their expansion to plans."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import PlanError
from controller.experiments.expansion import resolve_fault
from controller.experiments.picking import PickError
from controller.experiments.plan import plan_from_json
from controller.experiments.plan_file import Span, parse_span
from tests.controller.experiments.plans import RACK, make_plan

GOLDEN = Path(__file__).with_name("golden_plans")
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


@pytest.mark.parametrize(
    ("name", "seed", "sha256"),
    [
        ("raft", 7, "953efc6943761656555b1fe6e46819730cc593618cca677b54e80815d54a21e4"),
        ("all_keys", 2**53 - 1, "a0ba162cf3acc099b391aad2bf7a210ae42de3bc59f2bbf478b7aa3179ab96cb"),
    ],
)
def test_plan_of_a_seed_is_the_same_byte_for_byte(name: str, seed: int, sha256: str) -> None:
    text = (GOLDEN / f"{name}.toml").read_text(encoding="utf-8")
    plan = make_plan(text, seed, file=f"{name}.toml")
    assert plan.canonical_json == (GOLDEN / f"{name}.json").read_text().strip()
    assert plan.hash == sha256
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
        ("1/1, 2/2", "reboot", 2),
        ("1/1,2", "reboot", 2),
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


def test_place_that_another_fault_affects_at_its_time_is_refused() -> None:
    power = '[[fault]]\nkind = "power"\npick = "{}"\nat = "{} s"\noff = "2 s"\n'
    place = '[place.leader]\ncommand = "./leader"'
    text = f'nodes = "3 stacks"\n{power.format("stack 2", 1)}{power.format("leader", 2)}{place}'
    plan = make_plan(text)
    with pytest.raises(PickError, match="faults 1 and 2 overlap on stack 2: start fault 2 after"):
        resolve_fault(plan, 2, ["02-1"], RACK)
    assert resolve_fault(plan, 2, ["rasp-03-1"], RACK).faults[1].stacks == (3,)


def test_rasps_of_different_faults_that_boot_together_are_counted() -> None:
    fault = '[[fault]]\nkind = "power"\npick = "{}"\nat = "{} s"\noff = "2 s"\n'
    first = fault.format("stacks 1-3", 1)
    with pytest.raises(PlanError, match=r"fault\[2\].pick: with seed 7, 10 rasps would boot"):
        make_plan(f'nodes = "all"\n{first}{fault.format("stacks 4-5", 2)}')
    assert make_plan(f'nodes = "all"\n{first}{fault.format("stacks 4-5", 4)}').duration == 6


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


def test_canonical_json_has_sorted_keys_and_only_ascii() -> None:
    fields = json.loads(make_plan(RAFT).canonical_json)
    assert list(fields) == sorted(fields)
    assert make_plan(RAFT).canonical_json.isascii()
