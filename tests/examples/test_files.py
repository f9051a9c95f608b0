"""Plan files, actions and the layout of the examples."""

import os
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from examples.experiments import installation
from exporter.aliases import DEFAULT_PATH, load
from rack import layout_file

FOLDER = installation.FOLDER
PLANS = sorted(FOLDER.glob("*/*.toml"))


def read(plan: Path) -> dict[str, Any]:
    return tomllib.loads(plan.read_text(encoding="utf-8"))


def test_aliases_file_has_the_packaged_aliases_and_the_actions_of_the_examples(
    tmp_path: Path,
) -> None:
    path = tmp_path / "aliases.ini"
    installation.write_aliases(path)
    packaged, written = load(DEFAULT_PATH), load(path)
    assert [alias.label for alias in written.metrics] == [alias.label for alias in packaged.metrics]
    assert written.actions.keys() - packaged.actions.keys() == {
        *("start_redis", "stop_redis"),
        *("start_nats", "stop_nats", "kill_nats"),
        *("start_etcd", "stop_etcd"),
    }
    assert packaged.actions.keys() <= written.actions.keys()


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.parent.name}/{plan.name}")
def test_plan_names_actions_of_the_aliases_file_and_programs_that_exist(
    plan: Path, tmp_path: Path
) -> None:
    installation.write_aliases(tmp_path / "aliases.ini")
    actions = load(tmp_path / "aliases.ini").actions
    content = read(plan)
    faults = [fault["action"] for fault in content["fault"] if "action" in fault]
    assert {content["start"], content["stop"], *faults} <= actions.keys()
    commands = [
        content["client"],
        *(probe["command"] for probe in content["probe"] if "command" in probe),
        *(place["command"] for place in content.get("place", {}).values()),
    ]
    for command in commands:
        assert os.access(plan.parent / shlex.split(command)[0], os.X_OK), command


def test_three_experiments_fit_on_the_rack_at_the_same_time() -> None:
    rack = layout_file.load(installation.LAYOUT)
    assert len(rack.slots) == len(rack.stacks) == 9
    assert rack.orders.max_booting == 9


@pytest.mark.parametrize("script", ["redis-node", "nats-node", "etcd-node"])
def test_actions_of_a_store_run_its_script(script: str) -> None:
    assert os.access(FOLDER / "nodes" / script, os.X_OK)
    assert f"= {script} start\n" in (FOLDER / "actions.ini").read_text(encoding="utf-8")
