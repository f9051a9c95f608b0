"""Tests that relays keep their state when a controller starts, stops or is killed."""

import re
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from rack.database import Database
from rack.layout_file import load
from rack.power import commanded_power
from tests.controller.api_client import OrderClient
from tests.controller.rack_process import ROOT, ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until
from tools.programs import find
from virtual_rack.demo.processes import ManagedProcess, ProcessSpec

pytestmark = pytest.mark.process


@pytest.fixture
def rack_process(tmp_path: Path) -> Iterator[RackProcess]:
    with running_rack(tmp_path) as rack_process:
        yield rack_process


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize(
    ("contact", "at_rest"), [("normally_closed", "on"), ("normally_open", "off")]
)
def test_first_start_keeps_the_state_of_the_relays(
    tmp_path: Path, active_high: bool, contact: str, at_rest: str
) -> None:
    with running_rack(tmp_path, active_high=active_high, contact=contact) as rack_process:
        assert rack_process.power == [at_rest] * 3
        controller = rack_process.start_controller()
        exported = controller.metric("pirack_stack_power_state")
        assert exported == dict.fromkeys(("01", "02", "03"), float(at_rest == "on"))
        assert rack_process.power == [at_rest] * 3
        assert rack_process.relay_moves == [0, 0, 0]


@pytest.mark.parametrize(
    ("signal_number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
)
def test_restart_of_the_controller_keeps_the_relays(
    rack_process: RackProcess, signal_number: signal.Signals, status: int
) -> None:
    rack_process.switch(2, "off")
    for _ in range(2):
        controller = rack_process.start_controller()
        exported = controller.metric("pirack_stack_power_state")
        assert exported == {"01": 1, "02": 0, "03": 1}
        assert controller.stop(signal_number) == status
        assert rack_process.power == ["on", "off", "on"]
    assert rack_process.relay_moves == [0, 1, 0]


@pytest.mark.parametrize("power", ["on", "off"])
def test_interrupted_order_is_reported_and_resolved_by_one_order(
    rack_process: RackProcess, power: str, opposite: str
) -> None:
    rack_process.switch(2, opposite)
    rack_process.interrupt_order(2, power)
    previous = rack_process.stacks
    controller = rack_process.start_controller()
    assert rack_process.stacks == previous
    mismatch = (
        f"commanded {power}, but its relay is {opposite}: an order was interrupted, or the pin was"
        " released. Use power on or power off"
    )
    assert f"WARNING controller: stack 2: {mismatch}\n" in controller.log
    stacks = controller.get("stacks")
    assert [stack["power"] for stack in stacks] == ["on", power, "on"]
    assert [stack["power_mismatch"] for stack in stacks] == ["", mismatch, ""]
    assert controller.metric("pirack_stack_power_state") == {"01": 1, "02": power == "on", "03": 1}
    assert controller.get("rack")["power_warnings"] == [
        {"reason": mismatch, "rasps": ["02-1", "02-2"]}
    ]
    for path in ("", "stacks/2"):
        assert mismatch in requests.get(f"{controller.url}/{path}", timeout=TIMEOUT_SECONDS).text
    assert (
        f"{power}, but relay {opposite}"
        in requests.get(controller.url, timeout=TIMEOUT_SECONDS).text
    )
    for command in ("status", "stacks"):
        assert mismatch in run_pirack(controller, command)

    order_client = OrderClient(rack_process, controller)
    order_client.run_order("stacks", id=2, action="power_off", force=True)
    wait_until(lambda: not any(stack["power_mismatch"] for stack in controller.get("stacks")))
    assert rack_process.power == ["on", "off", "on"]
    assert [stack["power"] for stack in controller.get("stacks")] == ["on", "off", "on"]


@pytest.fixture
def opposite(power: str) -> str:
    return {"on": "off", "off": "on"}[power]


def run_pirack(controller: ControllerProcess, command: str) -> str:
    """Run a command of `pirack` and return its output."""
    return subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "pirack", command],
        env={"PIRACK_URL": controller.url, "PATH": "/usr/bin:/bin", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout


def test_second_controller_fails_and_leaves_the_pins_unchanged(
    rack_process: RackProcess,
) -> None:
    first = rack_process.start_controller()
    previous = rack_process.pin_states
    second = rack_process.run_controller(free_port())
    assert second.returncode == 2
    database = rack_process.state_folder / "pirack.db"
    assert second.stderr == (
        f"controller: another controller (process {first.process.pid}) uses {database}:"
        " stop it first, or name another --db\n"
    )
    assert rack_process.pin_states == previous
    assert rack_process.relay_moves == [0, 0, 0]
    assert first.is_ready()


def test_killed_controller_releases_its_lock(rack_process: RackProcess) -> None:
    rack_process.start_controller().stop(signal.SIGKILL)
    rack_process.start_controller()


def test_controller_fails_with_a_damaged_database_and_leaves_the_pins_unchanged(
    rack_process: RackProcess,
) -> None:
    rack_process.start_controller().stop(signal.SIGTERM)
    previous = rack_process.pin_states
    database = rack_process.state_folder / "pirack.db"
    for file in rack_process.state_folder.glob("pirack.db-*"):
        file.unlink()
    database.write_bytes(b"not a database, but long enough for its header" * 20)
    process = rack_process.run_controller(free_port())
    assert process.returncode == 2
    assert process.stderr.startswith(f"controller: {database}: file is not a database")
    assert rack_process.pin_states == previous
    assert rack_process.relay_moves == [0, 0, 0]


@pytest.mark.parametrize("is_empty_file", [False, True])
def test_controller_fails_with_a_lost_database_and_leaves_the_pins_unchanged(
    rack_process: RackProcess, *, is_empty_file: bool
) -> None:
    rack_process.switch(2, "off")
    rack_process.start_controller().stop(signal.SIGKILL)
    previous = rack_process.pin_states
    for file in rack_process.state_folder.glob("pirack.db*"):
        file.unlink()
    database = rack_process.state_folder / "pirack.db"
    if is_empty_file:
        database.touch()
    process = rack_process.run_controller(free_port())
    assert process.returncode == 2
    assert process.stderr.startswith(f"controller: {database}: the database was lost: ")
    assert process.stderr.count("\n") == 1
    assert (database.exists() and database.stat().st_size == 0) == is_empty_file
    assert rack_process.pin_states == previous
    assert rack_process.power == ["on", "off", "on"]


@pytest.mark.parametrize("pins", [{}, {"GPIOZERO_PIN_FACTORY": "lgpio"}])
def test_controller_without_pins_reports_unknown_power(
    rack_process: RackProcess, pins: dict[str, str]
) -> None:
    controller = rack_process.start_controller(pins=pins)
    assert controller.metric("pirack_stack_power_state") == {}
    assert [stack["power"] for stack in controller.get("stacks")] == ["unknown"] * 3
    assert controller.log.count("the relays cannot be used: ") == 1
    database = Database(rack_process.state_folder / "pirack.db")
    assert commanded_power.load_all(database, load(rack_process.layout_path)) == {}
    assert rack_process.relay_moves == [0, 0, 0]


def test_rasps_are_unreachable_while_their_stack_is_off(
    rack_process: RackProcess,
) -> None:
    wait_until(
        lambda: (
            rack_process.exporters_reachable(1) + rack_process.exporters_reachable(2) == [True] * 4
        )
    )
    rack_process.switch(2, "off")
    wait_until(lambda: rack_process.exporters_reachable(2) == [False, False])
    assert rack_process.exporters_reachable(1) == [True, True]
    rack_process.switch(2, "on")
    wait_until(lambda: rack_process.exporters_reachable(2) == [True, True])
    assert rack_process.relay_moves == [0, 2, 0]


@contextmanager
def running_prometheus(rack_process: RackProcess) -> Iterator[str]:
    """Run Prometheus with PiRack's configuration. Yield its URL."""
    home = rack_process.targets_folder.parent
    shutil.copy(ROOT / "prometheus" / "prometheus.yml", home)
    shutil.copytree(ROOT / "prometheus" / "rules", home / "rules")
    program = find("prometheus")
    url = f"http://127.0.0.1:{rack_process.prometheus_port}"
    arguments = [
        f"--config.file={home}/prometheus.yml",
        f"--storage.tsdb.path={home}/data",
        f"--web.listen-address=127.0.0.1:{rack_process.prometheus_port}",
    ]
    argv = [str(program.path), *arguments]
    log = rack_process.folder / "prometheus.log"
    process = ManagedProcess(
        ProcessSpec("prometheus", argv, log, url, extra_environment=program.extra_environment)
    )
    try:
        yield url
    finally:
        process.stop()


def rasps_off_in_prometheus(url: str) -> list[str]:
    """Return the rasps with the state `off` in Prometheus."""
    response = requests.get(
        f"{url}/api/v1/query",
        params={"query": "rack_stack_slot:pirack_rasp_state:max == 4"},
        timeout=TIMEOUT_SECONDS,
    ).json()
    return sorted(series["metric"]["rasp"] for series in response["data"]["result"])


def test_stack_is_off_in_prometheus_and_on_the_page(
    rack_process: RackProcess,
) -> None:
    rack_process.switch(2, "off")
    controller = rack_process.start_controller()
    with running_prometheus(rack_process) as url:
        wait_until(lambda: controller.get("rack")["states"]["off"] == 2)
        wait_until(lambda: rasps_off_in_prometheus(url) == ["02-1", "02-2"])
        assert [stack["power"] for stack in controller.get("stacks")] == ["on", "off", "on"]
        page = requests.get(controller.url, timeout=TIMEOUT_SECONDS).text
        off = re.findall(r'<a class="rasp [^>]*\boff\b[^>]*>\s*<span[^>]*>([^<]*)</span>', page)
        assert off == ["02-1", "02-2"]
