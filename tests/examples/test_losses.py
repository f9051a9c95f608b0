"""Losses of real stores after real power cuts of virtual SD cards, with the whole program."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from examples.experiments.example_rack import ExampleRack, plan_file, running_example_rack
from rack.database import Database
from tests.virtual_rack.demo.demo_process import free_port_base

pytestmark = [pytest.mark.process, pytest.mark.verify]

SEEDS = (1, 2, 3)
EXAMPLES = ("nats/all", "nats/kill", "redis/blip", "etcd/blip", "etcd/all")
CONCURRENT_RUNS = 3
"""The rack has nine stacks, and a run needs three."""


@dataclass(frozen=True)
class Losses:
    """Lost and acknowledged writes of a run."""

    lost: int
    acknowledged: int


def run_example(rack: ExampleRack, name: str, seed: int) -> Losses:
    """Run an example with `pirack` and a user of its own, and return its losses."""
    tokens = Tokens(Database(rack.state / "pirack.db"))
    token = tokens.add(f"{name.replace('/', '-')}-{seed}", Role.OPERATOR)
    done = subprocess.run(
        rack.pirack("experiment", "run", str(plan_file(name)), "--seeds", str(seed), "--json"),
        env=os.environ | {"PIRACK_TOKEN": token, "XDG_DATA_HOME": str(rack.state / "data")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    [run] = json.loads(done.stdout)
    assert run["state"] == "done", (run, done.stderr)
    statistics = run["verdict"]["statistics"]
    return Losses(statistics["lost"], statistics["acknowledged"])


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleRack]:
    if os.geteuid() != 0:
        pytest.skip("only root can use the SD cards of a virtual rack")
    folder = tmp_path_factory.mktemp("examples")
    with running_example_rack(folder, port_base=free_port_base()) as running:
        yield running


@pytest.fixture(scope="module")
def losses(rack: ExampleRack) -> Mapping[str, list[Losses]]:
    """The losses of each example, one for each seed."""
    runs = [(name, seed) for name in EXAMPLES for seed in SEEDS]
    with ThreadPoolExecutor(CONCURRENT_RUNS) as pool:
        results = dict(zip(runs, pool.map(lambda run: run_example(rack, *run), runs), strict=True))
    return {name: [results[name, seed] for seed in SEEDS] for name in EXAMPLES}


def test_blip_of_the_primary_loses_acknowledged_writes_of_redis(
    losses: Mapping[str, list[Losses]],
) -> None:
    assert all(each.lost >= 1000 for each in losses["redis/blip"]), losses


def test_cut_of_all_stacks_loses_acknowledged_writes_of_nats(
    losses: Mapping[str, list[Losses]],
) -> None:
    assert all(each.lost >= 1000 for each in losses["nats/all"]), losses


def test_kill_of_all_servers_loses_hardly_any_write_of_nats(
    losses: Mapping[str, list[Losses]],
) -> None:
    assert_page_cache_is_kept(losses["nats/kill"])


@pytest.mark.parametrize("name", ["etcd/blip", "etcd/all"])
def test_power_cut_loses_no_write_of_etcd(losses: Mapping[str, list[Losses]], name: str) -> None:
    assert_nothing_is_lost(losses[name])


def test_kept_page_cache_hides_the_losses_of_nats(tmp_path: Path) -> None:
    """Without the loss of unsynced data, a power cut of a virtual rack proves nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can use the SD cards of a virtual rack")
    with running_example_rack(
        tmp_path, port_base=free_port_base(), demo_options=["--keep-page-cache"]
    ) as rack:
        assert_page_cache_is_kept([run_example(rack, "nats/all", 1)])


def assert_page_cache_is_kept(losses: list[Losses]) -> None:
    """Assert that hardly any write is lost, unlike after a power cut."""
    assert all(each.acknowledged >= 500 for each in losses), losses
    assert all(each.lost <= each.acknowledged / 100 for each in losses), losses


def assert_nothing_is_lost(losses: list[Losses]) -> None:
    assert [each.lost for each in losses] == [0] * len(losses)
    assert all(each.acknowledged >= 500 for each in losses), losses
