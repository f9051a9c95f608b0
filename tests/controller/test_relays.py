"""The real controller, started, stopped and killed: no relay moves but by an order."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from rack import commanded
from rack.database import Database
from tests.controller.room import ROOT, Room, a_room
from tests.waiting import free_port, until
from virtual_rack.programs import find
from virtual_rack.services import Running, Service


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with a_room(tmp_path) as room:
        yield room


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize(
    ("contact", "at_rest"), [("normally_closed", "on"), ("normally_open", "off")]
)
def test_the_first_start_takes_the_relays_over_as_they_are(
    tmp_path: Path, active_high: bool, contact: str, at_rest: str
) -> None:
    with a_room(tmp_path, active_high=active_high, contact=contact) as room:
        assert room.power == [at_rest] * 3
        controller = room.start_controller()
        exported = controller.metric("pirack_stack_power_state")
        assert exported == dict.fromkeys(("01", "02", "03"), float(at_rest == "on"))
        assert room.power == [at_rest] * 3
        assert room.moves == [0, 0, 0]


@pytest.mark.parametrize(
    ("how", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
)
def test_a_controller_that_ends_and_is_started_again_moves_no_relay(
    room: Room, how: signal.Signals, status: int
) -> None:
    room.switch(2, "off")
    for _ in range(2):
        controller = room.start_controller()
        exported = controller.metric("pirack_stack_power_state")
        assert exported == {"01": 1, "02": 0, "03": 1}
        assert controller.end(how) == status
        assert room.power == ["on", "off", "on"]
    assert room.moves == [0, 1, 0]


def test_a_second_controller_refuses_in_one_line_and_touches_no_pin(room: Room) -> None:
    first = room.start_controller()
    before = room.pin_states
    second = room.run_controller(free_port())
    assert second.returncode == 2
    assert second.stderr == (
        f"another controller (process {first.process.pid}) runs with {room.state}/pirack.db:"
        " end it first, or name another --db\n"
    )
    assert room.pin_states == before
    assert room.moves == [0, 0, 0]
    assert first.is_up()


def test_a_killed_controllers_lock_is_free(room: Room) -> None:
    room.start_controller().end(signal.SIGKILL)
    room.start_controller()


def test_a_damaged_database_is_named_and_no_pin_is_touched(room: Room) -> None:
    room.start_controller().end(signal.SIGTERM)
    before = room.pin_states
    database = room.state / "pirack.db"
    for file in room.state.glob("pirack.db-*"):
        file.unlink()
    database.write_bytes(b"no database at all, but long enough to be read as one" * 20)
    ended = room.run_controller(free_port())
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{database}: file is not a database")
    assert room.pin_states == before
    assert room.moves == [0, 0, 0]


@pytest.mark.parametrize("pins", [{}, {"GPIOZERO_PIN_FACTORY": "lgpio"}])
def test_without_pins_the_rack_is_served_and_its_power_is_unknown(
    room: Room, pins: dict[str, str]
) -> None:
    controller = room.start_controller(pins=pins)
    assert controller.metric("pirack_stack_power_state") == {}
    assert [stack["power"] for stack in controller.get("stacks")] == ["unknown"] * 3
    assert controller.log.count("the relays cannot be driven: ") == 1
    assert commanded.read(Database(room.state / "pirack.db")) == {}
    assert room.moves == [0, 0, 0]


def test_the_rasps_of_a_stack_that_is_cut_are_gone_and_come_back_with_its_power(
    room: Room,
) -> None:
    until(lambda: room.answers(1) + room.answers(2) == [True] * 4)
    room.switch(2, "off")
    assert room.answers(2) == [False, False]
    assert room.answers(1) == [True, True]
    room.switch(2, "on")
    until(lambda: room.answers(2) == [True, True])
    assert room.moves == [0, 2, 0]


@contextmanager
def prometheus(room: Room) -> Iterator[str]:
    """Run Prometheus with PiRack's own configuration; gives its URL."""
    home = room.targets.parent
    shutil.copy(ROOT / "prometheus" / "prometheus.yml", home)
    shutil.copytree(ROOT / "prometheus" / "rules", home / "rules")
    program = find("prometheus")
    url = f"http://127.0.0.1:{room.prometheus}"
    words = [
        f"--config.file={home}/prometheus.yml",
        f"--storage.tsdb.path={home}/data",
        f"--web.listen-address=127.0.0.1:{room.prometheus}",
    ]
    argv = [str(program.path), *words]
    log = room.folder / "prometheus.log"
    process = Running(Service("prometheus", argv, log, url, env=program.settings))
    try:
        yield url
    finally:
        process.stop()


def off_for_prometheus(url: str) -> list[str]:
    """Return the rasps that Prometheus' own rule calls off on purpose."""
    answer = requests.get(
        f"{url}/api/v1/query",
        params={"query": "rack_stack_slot:pirack_rasp_state:max == 4"},
        timeout=10,
    ).json()
    return sorted(each["metric"]["rasp"] for each in answer["data"]["result"])


def test_a_stack_that_was_cut_is_off_for_prometheus_and_on_the_page(room: Room) -> None:
    room.switch(2, "off")
    controller = room.start_controller()
    with prometheus(room) as url:
        until(lambda: controller.get("rack")["states"]["off"] == 2, 60)
        until(lambda: off_for_prometheus(url) == ["02-1", "02-2"], 60)
        assert [stack["power"] for stack in controller.get("stacks")] == ["on", "off", "on"]
        page = requests.get(controller.url, timeout=10).text
        off = re.findall(r'<a class="rasp [^>]*\boff\b[^>]*>\s*<span[^>]*>([^<]*)</span>', page)
        assert off == ["02-1", "02-2"]
