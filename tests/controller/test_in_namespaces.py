"""The controller on the master of a rack of namespaces: orders by real SSH, pings and relays."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from tests.virtual_rack.room_of_namespaces import Room, a_room
from tests.waiting import until
from virtual_rack.demo_access import let_in
from virtual_rack.programs import find

API = "http://127.0.0.1:8080/api/v1.0"  # of the master's own loopback
SCALED = """
[orders]
boot_seconds = 20
shutdown_seconds = 10
settle_seconds = 0.2
off_seconds = 0.5
"""


class Orders:
    """Places orders as a program does that has a token."""

    def __init__(self, room: Room) -> None:
        self.room = room
        token = let_in(room.state / "pirack.db").token
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, path: str, **body: Any) -> Any:
        with self.room.on_the_master():
            if body:
                reply = requests.post(f"{API}/{path}", json=body, headers=self._headers, timeout=10)
            else:
                reply = requests.get(f"{API}/{path}", headers=self._headers, timeout=10)
        assert reply.ok, reply.text
        return reply.json()

    def is_up(self) -> bool:
        try:
            with self.room.on_the_master():
                return requests.get("http://127.0.0.1:8080/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def do(self, of: str, action: str, ids: list[int], **more: Any) -> dict[str, Any]:
        """Place an order and wait for its end; return the result of each target by name."""
        order = self.ask(f"{of}/execute", action=action, ids=ids, **more)
        until(lambda: self.ask(f"orders/{order['id']}")["state"] == "done", seconds=60)
        ended = self.ask(f"orders/{order['id']}")
        return {each["target"]: each for each in ended["results"]}


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    """A rack as after an install, and its controller."""
    folder = tmp_path_factory.mktemp("orders")
    with ExitStack() as stack:
        words = ("--boot-time", "0.5")
        room = stack.enter_context(a_room(folder, *words, stacks=3, slots=2, tables=SCALED))
        orders = Orders(room)
        targets = folder / "prometheus" / "targets"
        shutil.copytree("prometheus", folder / "prometheus")
        targets.mkdir(exist_ok=True)
        blackbox, prometheus = find("blackbox_exporter"), find("prometheus")
        stack.enter_context(room.entered(*blackbox.words, "--config.file=prometheus/blackbox.yml"))
        stack.enter_context(
            room.entered(
                *prometheus.words,
                f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
            )
        )
        stack.enter_context(
            room.entered(
                *(sys.executable, "-m", "controller", "--rack", str(room.rack_toml)),
                *("--db", str(room.state / "pirack.db"), "--targets", str(targets)),
            )
        )
        until(orders.is_up)
        room.until_all_answer()
        yield orders


def test_prometheus_sees_who_is_up_and_who_is_off_on_purpose(orders: Orders) -> None:
    def states() -> list[str]:
        return [rasp["state"] for rasp in orders.ask("rasps")]

    until(lambda: states() == ["up"] * 6, seconds=60)
    orders.do("stacks", "power_off", [2], force=True)
    until(lambda: states() == ["up", "up", "off", "off", "up", "up"], seconds=60)
    orders.do("stacks", "power_on", [2])


def results(done: dict[str, Any]) -> dict[str, str]:
    return {target: each["result"] for target, each in done.items()}


def test_a_rasp_answers_a_ping_and_tells_its_readings(orders: Orders) -> None:
    assert results(orders.do("rasps", "ping", [1, 6])) == {"01-1": "ok", "03-2": "ok"}
    read = orders.do("rasps", "read", [1], alias="cpu_temperature_celsius")
    assert 20 < read["01-1"]["readings"][0]["value"] < 90


def test_an_action_shows_what_it_said(orders: Orders) -> None:
    done = orders.do("rasps", "uptime", [3, 4])
    assert results(done) == {"02-1": "ok", "02-2": "ok"}
    assert "load average" in done["02-1"]["output"]


def test_a_reboot_is_seen_through(orders: Orders) -> None:
    before = orders.room.dhcpd_log.count("from b8:27:eb:23:01:02")
    assert results(orders.do("rasps", "reboot", [2])) == {"01-2": "ok"}
    assert orders.room.dhcpd_log.count("from b8:27:eb:23:01:02") > before
    assert orders.room.answers("01-2")


def test_a_stack_is_shut_down_before_it_is_cut_and_comes_back(orders: Orders) -> None:
    done = orders.do("stacks", "power_off", [2])
    assert results(done) == {"02": "ok", "02-1": "ok", "02-2": "ok"}
    assert orders.room.phases["02-1"] == "off"
    assert not orders.room.pings("10.23.2.1")
    for name in ("02-1", "02-2"):
        assert "Accepted publickey for root" in orders.room.console(name)
    done = orders.do("stacks", "power_on", [2])
    assert results(done) == {"02": "ok", "02-1": "ok", "02-2": "ok"}
    orders.room.until_it_answers("02-2")


def test_a_shut_down_rasp_comes_back_with_its_stacks_power_alone(orders: Orders) -> None:
    assert results(orders.do("rasps", "shutdown", [5])) == {"03-1": "ok"}
    assert orders.room.phases["03-1"] == "halted"
    assert results(orders.do("stacks", "power_cycle", [3]))["03"] == "ok"
    orders.room.until_it_answers("03-1")


def test_what_a_rasp_does_not_do_is_told_and_the_others_do_it(orders: Orders) -> None:
    room = orders.room
    room.put_on("1/1", "ssh-refuses")
    room.put_on("1/2", "new-host-key")
    until(lambda: "refused" in room.ssh("01-1", "uptime").stderr)
    until(lambda: "HOST IDENTIFICATION" in room.ssh("01-2", "uptime").stderr)
    done = orders.do("rasps", "uptime", [1, 2, 3])
    assert results(done) == {"01-1": "failed", "01-2": "failed", "02-1": "ok"}
    assert "host key" in done["01-2"]["detail"]
    room.heal("1")
    until(lambda: room.ssh("01-1", "uptime").returncode == 0)


def test_a_stuck_relay_is_found_out(orders: Orders) -> None:
    orders.room.put_on("3", "stuck-relay")
    done = orders.do("stacks", "power_off", [3], force=True)
    assert results(done)["03"] == "failed"
    assert "its relay is stuck" in done["03"]["detail"]
    orders.room.heal("3")
    assert results(orders.do("stacks", "power_on", [3]))["03"] == "ok"
