"""What the programs' own checkers say of the files in `prometheus/`."""

import json
import shutil
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.targets import Services, render
from rack.inventory import Rasp
from rack.layout_file import load
from virtual_rack.programs import find

FILES = Path(__file__).parents[2] / "prometheus"
RULES = sorted(FILES.glob("rules/*.yml"))
RULE_TESTS = sorted(FILES.glob("tests/*.yml"))


def run(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = find(name)
    return subprocess.run(
        [program.path, *words],
        env=program.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def test_promtool_accepts_the_configuration_with_the_documented_target_files_beside_it(
    new_home: Callable[[], Path], documented_targets: dict[str, Any]
) -> None:
    home = new_home()
    for name, groups in documented_targets.items():
        (home / "targets" / name).write_text(json.dumps(groups))
    checked = run("promtool", "check", "config", home / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout
    assert "does not exist" not in checked.stdout, checked.stdout


def test_the_controller_writes_the_target_files_as_documented(
    documented_targets: dict[str, Any],
) -> None:
    rasp = Rasp(3, 2, "b8:27:eb:23:03:02", IPv4Address("127.23.3.2"))
    services = Services("127.0.0.1:8080", "127.0.0.1:9115", "127.0.0.1:9093", "tcp:9848")
    assert render(load(FILES.parent / "rack.toml"), {(3, 2): rasp}, services) == documented_targets


def test_promtool_refuses_a_target_file_of_another_format(new_home: Callable[[], Path]) -> None:
    home = new_home()
    (home / "targets" / "rasp.json").write_text('{"03-2": "127.23.3.2:9849"}')
    checked = run("promtool", "check", "config", home / "prometheus.yml")
    assert checked.returncode != 0


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.name)
def test_promtool_accepts_the_rules(rules: Path) -> None:
    checked = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("rule_tests", RULE_TESTS, ids=lambda path: path.name)
def test_the_rules_keep_what_their_tests_say(rule_tests: Path) -> None:
    tested = run("promtool", "test", "rules", rule_tests)
    assert tested.returncode == 0, tested.stdout


def test_every_file_of_rules_has_a_file_of_tests() -> None:
    assert [path.name for path in RULES] == [path.name for path in RULE_TESTS]


def test_a_rule_with_another_threshold_fails_its_test(tmp_path: Path) -> None:
    for folder in ("rules", "tests"):
        shutil.copytree(FILES / folder, tmp_path / folder)
    rules = (FILES / "rules" / "state.yml").read_text()
    (tmp_path / "rules" / "state.yml").write_text(rules.replace("bool 60", "bool 61"))
    tested = run("promtool", "test", "rules", tmp_path / "tests" / "state.yml")
    assert tested.returncode != 0


def test_blackbox_exporter_accepts_its_configuration() -> None:
    checked = run("blackbox_exporter", "--config.file", FILES / "blackbox.yml", "--config.check")
    assert checked.returncode == 0, checked.stdout


def test_a_ping_that_times_out_still_answers_its_scrape() -> None:
    scrape = yaml.safe_load((FILES / "prometheus.yml").read_text())["global"]["scrape_timeout"]
    modules = yaml.safe_load((FILES / "blackbox.yml").read_text())["modules"]
    for module in modules.values():
        assert int(module["timeout"].removesuffix("s")) < int(scrape.removesuffix("s"))


def test_amtool_accepts_alertmanagers_configuration() -> None:
    checked = run("amtool", "check-config", FILES / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout
